//! Random calls, syncs and power failures against a model that keeps what was synced as a plain copy.
//!
//! After a strict power failure the backing directory is exactly the copy. After one by coin, names are as they were at
//! some moment since the last sync, and each block of each file is old or new.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::tree::ROOT;
use crate::undo::BLOCK_BYTES;

/// Names of files and directories alike, so that they meet.
const NAMES: [&str; 7] = ["a", "b", "d", "e", "d/a", "d/b", "e/a"];

#[derive(Clone, Debug)]
enum Call {
    Create(usize),
    MakeDirectory(usize),
    Write { name: usize, offset: u64, length: usize, byte: u8 },
    Truncate { name: usize, size: u64 },
    PunchHole { name: usize, offset: u64, length: u64 },
    Rename { from: usize, to: usize },
    Exchange { one: usize, other: usize },
    Link { from: usize, to: usize },
    Remove(usize),
    Sync(usize),
    SyncDirectory,
    Crash,
    CrashByCoin { seed: u64, torn: bool },
}

fn call() -> impl Strategy<Value = Call> {
    let name = || 0..NAMES.len();
    let place = || (0..40_000_u64, 1..20_000_usize);
    prop_oneof![
        3 => name().prop_map(Call::Create),
        2 => name().prop_map(Call::MakeDirectory),
        6 => (name(), place(), 1..=255_u8)
            .prop_map(|(name, (offset, length), byte)| Call::Write { name, offset, length, byte }),
        2 => (name(), 0..50_000_u64).prop_map(|(name, size)| Call::Truncate { name, size }),
        1 => (name(), place())
            .prop_map(|(name, (offset, length))| Call::PunchHole { name, offset, length: length as u64 }),
        3 => (name(), name()).prop_map(|(from, to)| Call::Rename { from, to }),
        1 => (name(), name()).prop_map(|(one, other)| Call::Exchange { one, other }),
        1 => (name(), name()).prop_map(|(from, to)| Call::Link { from, to }),
        2 => name().prop_map(Call::Remove),
        3 => name().prop_map(Call::Sync),
        1 => Just(Call::SyncDirectory),
        1 => Just(Call::Crash),
        1 => (any::<u64>(), any::<bool>()).prop_map(|(seed, torn)| Call::CrashByCoin { seed, torn }),
    ]
}

/// What has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thing {
    Directory,
    File(usize),
}

type NamesAt = BTreeMap<String, Thing>;

#[derive(Clone, Debug, Default)]
struct FileModel {
    now: Vec<u8>,
    synced: Vec<u8>,
}

#[derive(Debug, Default)]
struct Model {
    names: NamesAt,
    /// The names as they were before each change since the last sync, oldest first.
    before: Vec<NamesAt>,
    files: Vec<FileModel>,
}

impl Model {
    fn file(&mut self, name: &str) -> Option<&mut FileModel> {
        match self.names.get(name)? {
            Thing::File(number) => self.files.get_mut(*number),
            Thing::Directory => None,
        }
    }

    /// Whether something can be made under this name.
    fn is_free(&self, name: &str) -> bool {
        !self.names.contains_key(name) && self.parent_is_there(name)
    }

    fn parent_is_there(&self, name: &str) -> bool {
        name.rsplit_once('/').is_none_or(|(parent, _)| self.names.get(parent) == Some(&Thing::Directory))
    }

    fn is_empty(&self, name: &str) -> bool {
        let prefix = format!("{name}/");
        !self.names.keys().any(|other| other.starts_with(&prefix))
    }

    fn change(&mut self, change: impl FnOnce(&mut NamesAt)) {
        self.before.push(self.names.clone());
        change(&mut self.names);
    }

    fn make(&mut self, name: &str, thing: Thing) {
        self.change(|names| names.extend([(name.to_owned(), thing)]));
    }

    fn synced(&mut self) {
        self.before.clear();
    }

    /// All that a name stands for: itself and what is below it.
    fn below(&self, name: &str) -> Vec<(String, Thing)> {
        let prefix = format!("{name}/");
        let is_below = |(other, _): &(&String, &Thing)| *other == name || other.starts_with(&prefix);
        self.names.iter().filter(is_below).map(|(name, thing)| (name.clone(), *thing)).collect()
    }

    /// Whether rename(2) allows it, and it is no move of a thing onto or into itself.
    fn may_rename(&self, from: &str, to: &str) -> bool {
        let (Some(moved), replaced) = (self.names.get(from), self.names.get(to)) else { return false };
        let fits = match (moved, replaced) {
            (_, None) => true,
            (Thing::Directory, Some(Thing::Directory)) => self.is_empty(to),
            (Thing::File(one), Some(Thing::File(other))) => one != other,
            _ => false,
        };
        fits && from != to && !to.starts_with(&format!("{from}/")) && self.parent_is_there(to)
    }

    fn renamed(names: &mut NamesAt, moved: &[(String, Thing)], from: &str, to: &str) {
        names.retain(|name, _| !moved.iter().any(|(other, _)| other == name));
        names.extend(moved.iter().map(|(name, thing)| (format!("{to}{}", &name[from.len()..]), *thing)));
    }
}

/// The disk under test, called as the kernel would.
struct Tested {
    volume: Volume,
    model: Model,
    directory: tempfile::TempDir,
}

impl Tested {
    fn new() -> Tested {
        let directory = tempfile::tempdir().expect("a directory");
        let [backing, hidden] = ["backing", "hidden"].map(|name| directory.path().join(name));
        fs::create_dir(&backing).expect("a directory");
        let options = VolumeOptions { backing, hidden, undo_bytes_max: 1 << 30, real_syncs: false, seed: 0 };
        let volume = Volume::open(options).expect("a volume");
        Tested { volume, model: Model::default(), directory }
    }

    fn look_up(&self, path: &str) -> io::Result<NodeId> {
        path.split('/').try_fold(ROOT, |id, name| Ok(self.volume.look_up(id, OsStr::new(name))?.id))
    }

    fn parent<'a>(&self, path: &'a str) -> io::Result<(NodeId, &'a OsStr)> {
        match path.rsplit_once('/') {
            Some((parent, name)) => Ok((self.look_up(parent)?, OsStr::new(name))),
            None => Ok((ROOT, OsStr::new(path))),
        }
    }

    /// Does something with an open file.
    fn with_file(&self, name: &str, work: impl FnOnce(NodeId) -> io::Result<()>) {
        let id = self.look_up(name).expect("it is there");
        self.volume.open_file(id, true).expect("it opens");
        work(id).expect("it is done");
        self.volume.release(id);
    }

    /// Carries out a call that the model allows; others are left out, as the kernel would not let them through.
    fn call(&mut self, call: &Call) {
        match *call {
            Call::Create(name) => self.create(NAMES[name]),
            Call::MakeDirectory(name) => self.make_directory(NAMES[name]),
            Call::Write { name, offset, length, byte } => self.write(NAMES[name], offset, length, byte),
            Call::Truncate { name, size } => self.truncate(NAMES[name], size),
            Call::PunchHole { name, offset, length } => self.punch_hole(NAMES[name], offset, length),
            Call::Rename { from, to } => self.rename(NAMES[from], NAMES[to]),
            Call::Exchange { one, other } => self.exchange(NAMES[one], NAMES[other]),
            Call::Link { from, to } => self.link(NAMES[from], NAMES[to]),
            Call::Remove(name) => self.remove(NAMES[name]),
            Call::Sync(name) => self.sync(NAMES[name]),
            Call::SyncDirectory => {
                self.volume.sync_directory(ROOT).expect("a sync");
                self.model.synced();
            }
            Call::Crash => self.crash(),
            Call::CrashByCoin { seed, torn } => self.crash_by_coin(seed, torn),
        }
    }

    fn create(&mut self, name: &str) {
        if self.model.is_free(name) {
            let (parent, last) = self.parent(name).expect("it is there");
            let found = self.volume.create(parent, last, 0o644, true).expect("it is made");
            self.volume.release(found.id);
            let number = self.model.files.len();
            self.model.files.push(FileModel::default());
            self.model.make(name, Thing::File(number));
        }
    }

    fn make_directory(&mut self, name: &str) {
        if self.model.is_free(name) {
            let (parent, last) = self.parent(name).expect("it is there");
            self.volume.make(parent, last, Make::Directory { mode: 0o755 }).expect("it is made");
            self.model.make(name, Thing::Directory);
        }
    }

    fn write(&mut self, name: &str, offset: u64, length: usize, byte: u8) {
        let Some(file) = self.model.file(name) else { return };
        let end = offset as usize + length;
        file.now.resize(file.now.len().max(end), 0);
        file.now[offset as usize..end].fill(byte);
        self.with_file(name, |id| {
            let written = self.volume.write(id, offset, &vec![byte; length], Writer::Program)?;
            assert_eq!(written, length);
            Ok(())
        });
    }

    fn truncate(&mut self, name: &str, size: u64) {
        if let Some(file) = self.model.file(name) {
            file.now.resize(size as usize, 0);
            let id = self.look_up(name).expect("it is there");
            self.volume.truncate(id, size).expect("it is done");
        }
    }

    fn punch_hole(&mut self, name: &str, offset: u64, length: u64) {
        let Some(file) = self.model.file(name) else { return };
        let size = file.now.len();
        file.now[size.min(offset as usize)..size.min((offset + length) as usize)].fill(0);
        let mode = nix::libc::FALLOC_FL_PUNCH_HOLE | nix::libc::FALLOC_FL_KEEP_SIZE;
        self.with_file(name, |id| self.volume.allocate(id, offset..offset + length, mode));
    }

    fn rename(&mut self, from: &str, to: &str) {
        if self.model.may_rename(from, to) {
            let [old, new] = [from, to].map(|name| self.parent(name).expect("it is there"));
            // The kernel knows both before it asks.
            self.look_up(from).expect("it is there");
            assert_eq!(self.look_up(to).is_ok(), self.model.names.contains_key(to));
            self.volume.rename(old, new, true).expect("it is renamed");
            let moved = self.model.below(from);
            self.model.change(|names| Model::renamed(names, &moved, from, to));
        }
    }

    fn exchange(&mut self, one: &str, other: &str) {
        let [first, second] = [one, other].map(|name| self.model.below(name));
        let nested = |name: &str, other: &str| name.starts_with(&format!("{other}/"));
        let same = first.first().map(|(_, thing)| thing) == second.first().map(|(_, thing)| thing);
        let is_file = |things: &[(String, Thing)]| matches!(things.first(), Some((_, Thing::File(_))));
        let absent = first.is_empty() || second.is_empty();
        if absent || nested(one, other) || nested(other, one) || one == other || (same && is_file(&first)) {
            return;
        }
        let places = [one, other].map(|name| {
            self.look_up(name).expect("it is there");
            self.parent(name).expect("it is there")
        });
        self.volume.exchange(places[0], places[1]).expect("they are exchanged");
        self.model.change(|names| {
            names.retain(|name, _| !second.iter().any(|(other, _)| other == name));
            Model::renamed(names, &first, one, other);
            names.extend(second.iter().map(|(name, thing)| (format!("{one}{}", &name[other.len()..]), *thing)));
        });
    }

    fn link(&mut self, from: &str, to: &str) {
        let Some(Thing::File(number)) = self.model.names.get(from).copied() else { return };
        if self.model.is_free(to) {
            let id = self.look_up(from).expect("it is there");
            let (parent, name) = self.parent(to).expect("it is there");
            self.volume.make(parent, name, Make::Link(id)).expect("it is linked");
            self.model.make(to, Thing::File(number));
        }
    }

    fn remove(&mut self, name: &str) {
        let Some(thing) = self.model.names.get(name).copied() else { return };
        self.look_up(name).expect("it is there");
        let (parent, last) = self.parent(name).expect("it is there");
        match thing {
            Thing::File(_) => self.volume.remove_file(parent, last).expect("it is removed"),
            Thing::Directory if self.model.is_empty(name) => {
                self.volume.remove_directory(parent, last).expect("it is removed");
            }
            Thing::Directory => return,
        }
        self.model.change(|names| names.retain(|other, _| other != name));
    }

    fn sync(&mut self, name: &str) {
        if let Some(file) = self.model.file(name) {
            file.synced.clone_from(&file.now);
            self.with_file(name, |id| self.volume.sync_file(id));
            self.model.synced();
        }
    }

    fn crash(&mut self) {
        self.volume.roll_back(Loss::Everything).expect("a crash");
        let model = &mut self.model;
        model.names = model.before.first().unwrap_or(&model.names).clone();
        model.files.iter_mut().for_each(|file| file.now.clone_from(&file.synced));
        model.synced();
        self.compare();
    }

    fn crash_by_coin(&mut self, seed: u64, torn: bool) {
        let loss = if torn { Loss::Torn { seed } } else { Loss::Reordered { seed } };
        self.volume.roll_back(loss).expect("a crash");
        let found = self.found();
        let model = &mut self.model;
        let shape_found = links(found.iter().map(|(name, found)| (name, found.0)));
        let moments = model.before.iter().chain([&model.names]);
        let fitting = |names: &&NamesAt| {
            links(names.iter().map(|(name, thing)| (name, identity(name, *thing)))) == shape_found
                && names.iter().all(|(name, thing)| model.allows(*thing, found[name].1.as_deref(), torn))
        };
        let names = moments.rev().find(fitting).cloned();
        model.names = names.unwrap_or_else(|| panic!("no moment fits {shape_found:?}"));
        for (name, thing) in &model.names {
            if let (Thing::File(number), Some(read)) = (thing, &found[name].1) {
                model.files[*number] = FileModel { now: read.clone(), synced: read.clone() };
            }
        }
        // What has no name any more is gone.
        model.synced();
        self.compare();
    }

    /// What is in the backing directory: the inode, and the content unless it is a directory.
    fn found(&self) -> BTreeMap<String, (u64, Option<Vec<u8>>)> {
        let backing = self.directory.path().join("backing");
        let mut found = BTreeMap::new();
        let mut directories = vec![String::new()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(backing.join(&directory)).expect("a directory") {
                let entry = entry.expect("an entry");
                let name = Path::new(&directory).join(entry.file_name()).display().to_string();
                let is_directory = entry.file_type().expect("a type").is_dir();
                let content = (!is_directory).then(|| fs::read(entry.path()).expect("it reads"));
                found.insert(name.clone(), (entry.metadata().expect("stat").ino(), content));
                directories.extend(is_directory.then_some(name));
            }
        }
        found
    }

    /// The backing directory is what the model has now.
    fn compare(&self) {
        let found = self.found();
        let model = &self.model;
        assert_eq!(found.keys().collect::<BTreeSet<_>>(), model.names.keys().collect::<BTreeSet<_>>());
        for (name, thing) in &model.names {
            match (thing, &found[name].1) {
                (Thing::Directory, None) => {}
                (Thing::File(number), Some(read)) => assert!(*read == model.files[*number].now, "{name} differs"),
                (thing, _) => panic!("{name} should be {thing:?}"),
            }
        }
    }
}

impl Model {
    /// Whether a file may be found like this after a power failure by coin.
    fn allows(&self, thing: Thing, found: Option<&[u8]>, torn: bool) -> bool {
        let (Thing::File(number), Some(found)) = (thing, found) else {
            return thing == Thing::Directory && found.is_none();
        };
        let FileModel { now, synced } = &self.files[number];
        let unit = if torn { 512 } else { BLOCK_BYTES as usize };
        let part = |of: &[u8], start: usize, length: usize| {
            let end = of.len().min(start + length);
            let mut part = of.get(start..end).unwrap_or_default().to_vec();
            part.resize(length, 0);
            part
        };
        let sizes = synced.len().min(now.len())..=synced.len().max(now.len());
        sizes.contains(&found.len())
            && (0..found.len()).step_by(unit).all(|start| {
                let length = unit.min(found.len() - start);
                let is = part(found, start, length);
                is == part(now, start, length) || is == part(synced, start, length)
            })
    }
}

/// A directory is nothing else's link.
fn identity(name: &str, thing: Thing) -> (Thing, &str) {
    (thing, if thing == Thing::Directory { name } else { "" })
}

/// For each name the first one of the same thing.
fn links<'a, T: PartialEq>(things: impl Iterator<Item = (&'a String, T)>) -> BTreeMap<String, String> {
    let mut first: Vec<(T, &String)> = Vec::new();
    let mut links = BTreeMap::new();
    for (name, thing) in things {
        let same = first.iter().find(|(other, _)| *other == thing).map(|(_, name)| *name);
        links.insert(name.clone(), same.unwrap_or(name).clone());
        first.push((thing, name));
    }
    links
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn the_disk_is_what_was_synced(calls in prop::collection::vec(call(), 1..80)) {
        let mut tested = Tested::new();
        for call in &calls {
            tested.call(call);
        }
        tested.compare();
        tested.crash();
        let statistics = tested.volume.statistics();
        prop_assert_eq!([statistics.unsynced_files, statistics.unsynced_undo_bytes, statistics.unsynced_names], [0; 3]);
        prop_assert_eq!(fs::read_dir(tested.directory.path().join("hidden/trash")).expect("a directory").count(), 0);
    }
}

/// The comparison can fail: a disk whose syncs do nothing is found out.
#[test]
fn a_lying_disk_is_found_out() {
    let mut tested = Tested::new();
    tested.volume.faults.set(crate::Rules { lying_sync: Some(crate::Dose::ALWAYS), ..crate::Rules::default() });
    tested.call(&Call::Create(0));
    tested.call(&Call::Write { name: 0, offset: 0, length: 10, byte: 1 });
    tested.call(&Call::Sync(0));
    let compared = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| tested.crash()));
    assert!(compared.is_err());
}
