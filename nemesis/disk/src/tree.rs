//! The files and directories that the kernel knows, by the numbers that it knows them by.
//!
//! A number belongs to one inode of the backing file system and is never given out again, unlike inode numbers, which
//! come back as soon as a file is gone: pages that the kernel has cached of an old file never show in a new one. A node
//! is reached by its names, of which a hard link makes several, or, when it has none, by its place in the trash.

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::undo::FileUndo;

/// A node's number. As an inode number, it is what programs see.
pub(crate) type NodeId = u64;

/// The root of the disk.
pub(crate) const ROOT: NodeId = 1;

/// A file or directory. The lock of its content may be taken while the tree is locked, not the other way round.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) content: Mutex<Content>,
}

/// What is in a file, as far as the disk has to know.
#[derive(Debug, Default)]
pub(crate) struct Content {
    /// The backing file while it is open.
    pub(crate) file: Option<Arc<File>>,
    /// Whether `file` can be written.
    pub(crate) writable: bool,
    /// How many times it is open.
    pub(crate) opened: u64,
    /// None if the file is as it was synced.
    pub(crate) undo: Option<FileUndo>,
    /// Its last name was removed, and that was committed: no power failure brings it back.
    pub(crate) gone: bool,
}

/// All nodes.
#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
    entries: HashMap<NodeId, Entry>,
    by_inode: HashMap<u64, NodeId>,
    next: NodeId,
}

#[derive(Debug)]
struct Entry {
    node: Arc<Node>,
    inode: u64,
    names: BTreeSet<(NodeId, OsString)>,
    trashed: Vec<PathBuf>,
    /// How often the kernel was told the number, less how often it has forgotten it.
    lookups: u64,
}

impl Tree {
    pub(crate) fn new(root: PathBuf, inode: u64) -> Tree {
        let mut tree = Tree { root, entries: HashMap::new(), by_inode: HashMap::new(), next: ROOT };
        tree.number(inode);
        tree
    }

    /// Forgets everything, as the kernel has. Numbers are not given out again.
    pub(crate) fn clear(&mut self) {
        let root = self.entries.remove(&ROOT);
        self.entries.clear();
        self.by_inode.clear();
        if let Some(root) = root {
            self.by_inode.insert(root.inode, ROOT);
            self.entries.insert(ROOT, root);
        }
    }

    pub(crate) fn node(&self, id: NodeId) -> Option<Arc<Node>> {
        self.entries.get(&id).map(|entry| Arc::clone(&entry.node))
    }

    /// All nodes, by number.
    pub(crate) fn nodes(&self) -> Vec<Arc<Node>> {
        let mut nodes: Vec<Arc<Node>> = self.entries.values().map(|entry| Arc::clone(&entry.node)).collect();
        nodes.sort_by_key(|node| node.id);
        nodes
    }

    /// The node of a backing inode.
    pub(crate) fn of_inode(&self, inode: u64) -> Option<NodeId> {
        self.by_inode.get(&inode).copied()
    }

    /// The number of an inode, which is given one if it has none.
    pub(crate) fn number(&mut self, inode: u64) -> NodeId {
        if let Some(id) = self.by_inode.get(&inode) {
            return *id;
        }
        let id = self.next;
        self.next += 1;
        let node = Arc::new(Node { id, content: Mutex::default() });
        let entry = Entry { node, inode, names: BTreeSet::new(), trashed: Vec::new(), lookups: 0 };
        self.entries.insert(id, entry);
        self.by_inode.insert(inode, id);
        id
    }

    /// The kernel is told the number of a name.
    pub(crate) fn look_up(&mut self, parent: NodeId, name: &OsStr, inode: u64) -> NodeId {
        let id = self.number(inode);
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.names.insert((parent, name.to_owned()));
            entry.lookups += 1;
        }
        id
    }

    /// The kernel has forgotten the number so many times. Nodes that have a name are kept, so that their numbers last.
    pub(crate) fn forget(&mut self, id: NodeId, count: u64) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.lookups = entry.lookups.saturating_sub(count);
        let unused = entry.lookups == 0 && entry.names.is_empty() && entry.trashed.is_empty();
        if unused && id != ROOT {
            let inode = entry.inode;
            self.entries.remove(&id);
            self.release(inode, id);
        }
    }

    /// A name of the node is there no more; the node is at `place` in the trash.
    pub(crate) fn discard(&mut self, id: NodeId, parent: NodeId, name: &OsStr, place: PathBuf) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.names.remove(&(parent, name.to_owned()));
            entry.trashed.push(place);
        }
    }

    /// A name is another one now.
    pub(crate) fn rename(&mut self, id: NodeId, from: (NodeId, &OsStr), to: (NodeId, &OsStr)) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.names.remove(&(from.0, from.1.to_owned()));
            entry.names.insert((to.0, to.1.to_owned()));
        }
    }

    /// Something left the trash for good. `last` if it was the inode's last link.
    pub(crate) fn emptied(&mut self, id: NodeId, place: &Path, last: bool) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.trashed.retain(|trashed| trashed != place);
        if last {
            let (inode, unused) = (entry.inode, entry.lookups == 0);
            self.release(inode, id);
            if unused {
                self.entries.remove(&id);
            }
        }
    }

    /// Links of the node in the trash, which programs must not see.
    pub(crate) fn trashed_links(&self, id: NodeId) -> u64 {
        self.entries.get(&id).map_or(0, |entry| entry.trashed.len() as u64)
    }

    /// Where a node is on the backing file system.
    pub(crate) fn path(&self, id: NodeId) -> Option<PathBuf> {
        let mut names = Vec::new();
        let mut at = id;
        let mut start = &self.root;
        while at != ROOT {
            let entry = self.entries.get(&at)?;
            match entry.names.first() {
                Some((parent, name)) => {
                    names.push(name);
                    at = *parent;
                }
                None => {
                    start = entry.trashed.first()?;
                    break;
                }
            }
        }
        Some(names.into_iter().rev().fold(start.clone(), |path, name| path.join(name)))
    }

    fn release(&mut self, inode: u64, id: NodeId) {
        if self.by_inode.get(&inode) == Some(&id) {
            self.by_inode.remove(&inode);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> &OsStr {
        OsStr::new(text)
    }

    #[test]
    fn a_node_is_reached_by_any_of_its_names_then_in_the_trash() {
        let mut tree = Tree::new("/backing".into(), 10);
        let directory = tree.look_up(ROOT, name("d"), 11);
        let file = tree.look_up(directory, name("f"), 12);
        assert_eq!(tree.look_up(ROOT, name("hard"), 12), file, "a hard link is the same node");
        tree.rename(directory, (ROOT, name("d")), (ROOT, name("e")));
        assert_eq!(tree.path(file), Some("/backing/hard".into()));
        tree.discard(file, ROOT, name("hard"), "/trash/1".into());
        assert_eq!(tree.path(file), Some("/backing/e/f".into()));
        tree.discard(file, directory, name("f"), "/trash/2".into());
        assert_eq!((tree.path(file), tree.trashed_links(file)), (Some("/trash/1".into()), 2));
    }

    #[test]
    fn an_inode_number_that_comes_back_is_another_node() {
        let mut tree = Tree::new("/backing".into(), 10);
        let old = tree.look_up(ROOT, name("f"), 11);
        tree.discard(old, ROOT, name("f"), "/trash/1".into());
        tree.emptied(old, Path::new("/trash/1"), true);
        let new = tree.look_up(ROOT, name("g"), 11);
        assert_ne!(old, new);
        assert!(tree.node(old).is_some(), "the kernel still knows it");
        tree.forget(old, 1);
        assert!(tree.node(old).is_none());
        assert_eq!(tree.of_inode(11), Some(new));
    }
}
