//! Bits that rot in files, with nobody writing them.

use std::fs;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::Volume;
use crate::tree::NodeId;

/// Which bits to flip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlipBits {
    /// How many. Each is at a place drawn uniformly from all bytes of the files; none is flipped twice.
    pub bits: u32,
    /// Only in files whose path below the disk's root contains this.
    pub only: Option<String>,
    /// Equal seeds flip the same bits of equal disks.
    pub seed: u64,
}

/// A bit that was flipped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Flip {
    /// The file, below the disk's root.
    pub file: PathBuf,
    /// The byte, from 0.
    pub offset_bytes: u64,
    /// The bit in it, from 0, the least significant.
    pub bit: u8,
}

impl Volume {
    /// Flips bits, as many as there are. Returns which, in order, and the nodes of which the kernel may hold other pages.
    pub(crate) fn flip_bits(&self, what: &FlipBits) -> io::Result<(Vec<Flip>, Vec<NodeId>)> {
        let files = self.files(what.only.as_deref())?;
        let bits_in_all = files.iter().map(|(_, bytes)| bytes * 8).sum();
        let mut flips: Vec<Flip> = draw_distinct(what.seed, u64::from(what.bits), bits_in_all)
            .into_iter()
            .filter_map(|place| flip_at(&files, place))
            .collect();
        flips.sort();
        let mut nodes = Vec::new();
        for flip in &flips {
            nodes.extend(self.flip(flip)?);
            self.counters.flipped_bits.one();
        }
        nodes.dedup();
        Ok((flips, nodes))
    }

    fn flip(&self, flip: &Flip) -> io::Result<Option<NodeId>> {
        let names = self.names.lock();
        let file = super::crash::open_for_undo(&self.root.join(&flip.file))?;
        let id = names.tree.of_inode(file.metadata()?.ino());
        let node = id.and_then(|id| names.tree.node(id));
        let _unwritten = node.as_ref().map(|node| node.content.lock());
        let mut byte = [0];
        file.read_exact_at(&mut byte, flip.offset_bytes)?;
        file.write_all_at(&[byte[0] ^ 1 << flip.bit], flip.offset_bytes)?;
        Ok(id)
    }

    /// Files and their sizes, by path below the root.
    fn files(&self, only: Option<&str>) -> io::Result<Vec<(PathBuf, u64)>> {
        let mut files = Vec::new();
        let mut directories = vec![PathBuf::new()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(self.root.join(&directory))? {
                let entry = entry?;
                let path = directory.join(entry.file_name());
                let kind = entry.file_type()?;
                match () {
                    () if kind.is_dir() => directories.push(path),
                    () if kind.is_file() && concerns(only, &path) => files.push((path, entry.metadata()?.len())),
                    () => {}
                }
            }
        }
        files.sort();
        Ok(files)
    }
}

fn concerns(only: Option<&str>, path: &Path) -> bool {
    only.is_none_or(|part| path.to_string_lossy().contains(part))
}

/// So many different numbers below `end`, or all of them.
fn draw_distinct(seed: u64, count: u64, end: u64) -> std::collections::BTreeSet<u64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut drawn = std::collections::BTreeSet::new();
    // Floyd's sampling: each round adds one, whatever was drawn before.
    for last in end - count.min(end)..end {
        let number = rng.random_range(0..=last);
        if !drawn.insert(number) {
            drawn.insert(last);
        }
    }
    drawn
}

fn flip_at(files: &[(PathBuf, u64)], place: u64) -> Option<Flip> {
    let mut bytes_before = 0;
    let (offset_bytes, bit) = (place / 8, (place % 8) as u8);
    for (file, bytes) in files {
        if offset_bytes < bytes_before + bytes {
            return Some(Flip { file: file.clone(), offset_bytes: offset_bytes - bytes_before, bit });
        }
        bytes_before += bytes;
    }
    None
}
