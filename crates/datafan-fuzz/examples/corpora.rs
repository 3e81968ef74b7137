//! Writes the seeds of every corpus: run `cargo run -p datafan-fuzz --example corpora` in the repository's
//! root.

use std::{fs, io, path::Path};

fn main() -> io::Result<()> {
    for target in datafan_fuzz::TARGETS {
        let directory = Path::new("fuzz/corpus").join(target.name);
        fs::create_dir_all(&directory)?;
        let seeds = (target.seeds)();
        println!("{:<12} {} seeds", target.name, seeds.len());
        seeds
            .iter()
            .try_for_each(|(name, bytes)| fs::write(directory.join(format!("seed-{name}")), bytes))?;
    }
    Ok(())
}
