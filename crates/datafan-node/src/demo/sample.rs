//! The rows of a demo without a file: invented stations with their sensors and stock.

/// Rows: 20 owners, 1,200 keys.
pub const ROWS: &str = include_str!("../../assets/sample.jsonl");
/// Changes of them: new values, new keys and deletions.
pub const UPDATES: &str = include_str!("../../assets/sample-updates.jsonl");

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::fmt::Write;

    /// Generates both files and compares them with the built-in ones; with `DATAFAN_WRITE_SAMPLE` set, they
    /// are written instead.
    #[test]
    fn the_sample_is_what_the_generator_makes() {
        let (rows, updates) = generate();
        if std::env::var_os("DATAFAN_WRITE_SAMPLE").is_some() {
            let assets = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/");
            std::fs::write(format!("{assets}sample.jsonl"), &rows).unwrap();
            std::fs::write(format!("{assets}sample-updates.jsonl"), &updates).unwrap();
            return;
        }
        assert!(rows == ROWS && updates == UPDATES, "set DATAFAN_WRITE_SAMPLE to write the sample anew");
        assert_eq!((rows.lines().count(), updates.lines().count()), (1_200, 240));
    }

    fn generate() -> (String, String) {
        let (mut draw, mut rows, mut updates) = (Draw(1), String::new(), String::new());
        for station in STATIONS {
            for n in 0..40 {
                let kind = draw.of(&KINDS);
                let key = format!("sensor/{}-{n:02}", kind.0);
                let installed =
                    format!("202{}-{:02}-{:02}", draw.up_to(6), 1 + draw.up_to(12), 1 + draw.up_to(28));
                let mut reading = |battery: u64| {
                    let value = kind.2 + draw.up_to(kind.3 * 10) as f64 / 10.0;
                    json!({
                        "kind": kind.0, "unit": kind.1, "reading": value,
                        "battery_percent": battery, "installed": installed,
                    })
                };
                line(&mut rows, station, &key, Some(reading(40 + n)));
                match n {
                    7 => line(&mut updates, station, &key, None),
                    n if n % 5 == 0 => line(&mut updates, station, &key, Some(reading(39 + n))),
                    _ => {}
                }
            }
            for n in 0..20 {
                let part = draw.of(&PARTS);
                let shelf = format!("{}{}", char::from(b'A' + draw.up_to(6) as u8), 1 + draw.up_to(20));
                let stock = |count| json!({"name": part, "count": count, "shelf": shelf, "reorder_below": 5});
                let key = format!("stock/{:05}", 100 * n + draw.up_to(100));
                line(&mut rows, station, &key, Some(stock(draw.up_to(200))));
                match n {
                    3 => line(&mut updates, station, &key, None),
                    9 => line(&mut updates, station, &key, Some(stock(draw.up_to(200)))),
                    15 => line(&mut updates, station, &format!("{key}-b"), Some(stock(50))),
                    _ => {}
                }
            }
        }
        (rows, updates)
    }

    fn line(out: &mut String, owner: &str, key: &str, value: Option<serde_json::Value>) {
        let what = value.map_or(r#""delete":true"#.to_owned(), |value| format!(r#""value":{value}"#));
        writeln!(out, r#"{{"owner":"{owner}","key":"{key}",{what}}}"#).unwrap();
    }

    /// Random numbers, the same in every run: splitmix64 (G. Steele et al., 2014).
    struct Draw(u64);

    impl Draw {
        fn up_to(&mut self, end: u64) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) % end
        }

        fn of<T: Copy>(&mut self, things: &[T]) -> T {
            things[self.up_to(things.len() as u64) as usize]
        }
    }

    const STATIONS: [&str; 20] = [
        "alder", "birch", "cedar", "dogwood", "elm", "fir", "ginkgo", "hazel", "ironwood", "juniper",
        "kapok", "larch", "maple", "nutmeg", "oak", "pine", "quince", "rowan", "spruce", "tamarind",
    ];
    /// Kind, unit, lowest reading, span.
    const KINDS: [(&str, &str, f64, u64); 6] = [
        ("temperature", "C", -20.0, 60),
        ("humidity", "%", 0.0, 100),
        ("pressure", "hPa", 960.0, 80),
        ("wind", "m/s", 0.0, 40),
        ("water-level", "cm", 0.0, 300),
        ("power", "W", 0.0, 2_500),
    ];
    const PARTS: [&str; 8] = [
        "hose clamp",
        "cable tie",
        "fuse 10 A",
        "fuse 16 A",
        "gasket",
        "wiper blade",
        "solar panel 20 W",
        "battery 12 V",
    ];
}
