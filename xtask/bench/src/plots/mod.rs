//! Pictures of rows: the growth curves, and datafan beside peers.

mod bars;
mod chart;
mod pictures;
mod rows;

use anyhow::{Context, Result};
use rows::read;
use std::{fs, path::Path};

/// Draws every picture for which `file` has rows, into `directory`.
///
/// # Errors
/// If the file cannot be read, a line is not a row, or a picture cannot be written.
pub fn draw(directory: &Path, file: &Path) -> Result<()> {
    let rows = read(&fs::read_to_string(file).with_context(|| file.display().to_string())?)?;
    fs::create_dir_all(directory)?;
    let curves = pictures::ALL.iter().map(|picture| (picture.name, picture.svg(&rows)));
    for (name, svg) in curves.chain([(bars::NAME, bars::svg(&rows))]) {
        if let Some(svg) = svg {
            let path = directory.join(name).with_extension("svg");
            fs::write(&path, svg).with_context(|| path.display().to_string())?;
            eprintln!("bench: {}", path.display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{rows::Row, *};

    /// Whether each tag that is opened is closed, in order, and text has no characters of tags.
    fn well_formed(svg: &str) -> bool {
        let mut open: Vec<&str> = Vec::new();
        for part in svg.split('<').skip(1) {
            let Some((tag, text)) = part.split_once('>') else { return false };
            let name = tag.split([' ', '/']).next().unwrap_or_default();
            match (tag.strip_prefix('/'), tag.ends_with('/')) {
                (Some(closed), _) if open.pop() != Some(closed) => return false,
                (None, false) => open.push(name),
                _ => {}
            }
            if tag.matches('"').count() % 2 == 1 || text.contains('>') {
                return false;
            }
        }
        open.is_empty() && svg.starts_with("<svg ")
    }

    fn rows() -> Vec<Row> {
        let mut text = String::new();
        for name in pictures::names() {
            for (x, value) in [(10, 0.5), (1_000, 7.0), (100_000, 123.0), (10_000_000, 0.0)] {
                text += &format!(
                    "{{\"name\":\"{name}\",\"unit\":\"us\",\"x\":{x},\"value\":{value},\"runs\":1}}\n"
                );
            }
        }
        text += "{\"name\":\"a<b\",\"unit\":\"s\",\"value\":1.0,\"runs\":1,\
                 \"peer\":\"p&q\",\"peer_value\":3.0,\"ratio\":3.0}\n";
        text += "{\"name\":\"c\",\"unit\":\"s\",\"value\":9.0,\"runs\":1,\
                 \"peer\":\"p\",\"peer_value\":3.0,\"ratio\":0.33}\n";
        read(&text).unwrap()
    }

    #[test]
    fn pictures_are_well_formed_and_the_same_each_time() {
        for picture in pictures::ALL {
            let svg = picture.svg(&rows()).expect("there are rows for it");
            assert!(well_formed(&svg), "{}: {svg}", picture.name);
            assert_eq!(picture.svg(&rows()), Some(svg));
        }
        let svg = bars::svg(&rows()).expect("there are peers");
        assert!(well_formed(&svg) && svg.contains("a&lt;b") && svg.contains("p&amp;q"), "{svg}");
        assert!(!well_formed("<svg a=\"1\"><g></svg>") && !well_formed("<svg a=\"1></svg>"));
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert!(pictures::ALL.iter().all(|picture| picture.svg(&[]).is_none()) && bars::svg(&[]).is_none());
    }

    #[test]
    fn every_point_that_has_a_logarithm_is_drawn() {
        let svg = pictures::ALL[0].svg(&rows()).unwrap();
        let lines = svg.lines().filter(|line| line.contains("class=\"curve\"") && !line.contains("dash"));
        let points: Vec<usize> = lines.map(|line| line.matches(',').count()).collect();
        assert!(!points.is_empty() && points.iter().all(|n| *n == 3), "{points:?}");
    }
}
