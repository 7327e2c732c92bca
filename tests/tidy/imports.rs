//! Which file of a crate imports from which, and the circles among them.
//!
//! A file *imports* from the file that defines a name which it uses, however the name is reached: by a `use`, or by a
//! path in the code. Re-exports are followed to the definition, so a `mod x;` or a `pub use` is no import by itself.
//! Methods are not seen: they are reached without naming a file. Tests (`#[cfg(test)]`) are left out.
//!
//! ```text
//!   text ─► tokens.rs ─► items.rs: modules, definitions, uses, paths ─► resolved here ─► edges ─► circles
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::items::{Module, Path, Use, modules_of};

/// For each file the files that it imports from, and the names that it takes from each.
pub type Imports = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// Modules that were asked for a name.
type Tried<'a> = BTreeSet<(&'a Path, String)>;

/// A crate's modules, by their path from its root.
struct Crate {
    modules: BTreeMap<Path, Module>,
}

/// The imports among the files of a crate, given as paths below its `src` and their texts.
pub fn imports(files: &[(String, String)]) -> Imports {
    let read = files.iter().flat_map(|(path, text)| modules_of(path, text));
    let mut modules: BTreeMap<Path, Module> = read.map(|module| (module.path.clone(), module)).collect();
    let tests: Vec<Path> = modules.values().flat_map(Module::test_modules).collect();
    modules.retain(|path, _| !tests.iter().any(|test| path.starts_with(test)));
    let whole = Crate { modules };
    let mut imports = Imports::new();
    for module in whole.modules.values() {
        let targets = imports.entry(module.file.clone()).or_default();
        for (file, name) in whole.taken_by(module).into_iter().filter(|(file, _)| *file != module.file) {
            targets.entry(file).or_default().insert(name);
        }
    }
    imports
}

/// Groups of files that all import from each other, directly or by way of others.
pub fn circles(imports: &Imports) -> Vec<Vec<String>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        imports.keys().map(|file| (file.as_str(), reachable(imports, file))).collect();
    let mutual = |one: &str, other: &str| reached[one].contains(other) && reached[other].contains(one);
    let mut circles: Vec<Vec<String>> = Vec::new();
    for file in imports.keys().filter(|file| mutual(file, file)) {
        match circles.iter_mut().find(|circle| mutual(&circle[0], file)) {
            Some(circle) => circle.push(file.clone()),
            None => circles.push(vec![file.clone()]),
        }
    }
    circles
}

/// A circle in words: who takes what from whom.
pub fn described(circle: &[String], imports: &Imports) -> String {
    let mut lines = vec![format!("{} files import from each other:", circle.len())];
    for file in circle {
        for (target, names) in imports[file].iter().filter(|(target, _)| circle.contains(target)) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            lines.push(format!("  {file} -> {target}: {}", names.join(", ")));
        }
    }
    lines.join("\n")
}

fn reachable<'a>(imports: &'a Imports, from: &'a str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = vec![from];
    while let Some(file) = open.pop() {
        let targets = imports.get(file).into_iter().flat_map(BTreeMap::keys);
        open.extend(targets.map(String::as_str).filter(|target| reached.insert(*target)));
    }
    reached
}

impl Crate {
    /// Every name that a module takes from the crate, with the file that defines it.
    fn taken_by(&self, module: &Module) -> Vec<(String, String)> {
        let used = |path: &Path| self.definition(module, path, &mut BTreeSet::new());
        let by_path = module.paths.iter().filter_map(used);
        let mut taken: Vec<(String, String)> = by_path.collect();
        for import in &module.uses {
            let is_wanted = !import.is_reexport || module.words.contains(&import.name);
            match import.is_glob {
                true => taken.extend(self.taken_by_glob(module, import)),
                false if is_wanted => taken.extend(used(&import.path)),
                false => {}
            }
        }
        taken
    }

    /// Of a `use module::*`: the words of the file that the module knows.
    fn taken_by_glob(&self, module: &Module, import: &Use) -> Vec<(String, String)> {
        let words = module.words.iter().filter(|word| !module.defines.contains(*word));
        let path = |word: &String| import.path.iter().cloned().chain([word.clone()]).collect::<Path>();
        words.filter_map(|word| self.definition(module, &path(word), &mut BTreeSet::new())).collect()
    }

    /// The file that defines what a path names, as seen from a module, and the name. None if it names a module, or is
    /// not of this crate. `tried` keeps imports that lead back to themselves from being followed for ever.
    fn definition<'a>(&'a self, from: &'a Module, path: &Path, tried: &mut Tried<'a>) -> Option<(String, String)> {
        let mut at = from;
        let mut is_relative = true;
        for (place, segment) in path.iter().enumerate() {
            let next = match segment.as_str() {
                "crate" => Some(Path::new()),
                "self" => Some(at.path.clone()),
                "super" => Some(at.path.split_last()?.1.to_vec()),
                name if at.children.contains(name) => Some([at.path.as_slice(), &[name.to_owned()]].concat()),
                _ => None,
            };
            if let Some(next) = next {
                at = self.modules.get(&next)?;
                is_relative = false;
                continue;
            }
            if at.defines.contains(segment) {
                return Some((at.file.clone(), segment.clone()));
            }
            let is_word_alone = tried.is_empty() && is_relative && path.len() == 1;
            return if is_word_alone { None } else { self.imported(at, &path[place..], tried) };
        }
        None
    }

    /// A path whose first name the module has imported itself.
    fn imported<'a>(&'a self, at: &'a Module, rest: &[String], tried: &mut Tried<'a>) -> Option<(String, String)> {
        if !tried.insert((&at.path, rest[0].clone())) {
            return None;
        }
        let named = at.uses.iter().filter(|import| !import.is_glob && import.name == rest[0]);
        let by_name = named.map(|import| [import.path.as_slice(), &rest[1..]].concat());
        let globs = at.uses.iter().filter(|import| import.is_glob);
        let by_glob = globs.map(|import| [import.path.as_slice(), rest].concat());
        // A path that begins with its own name is of another crate.
        let mut led_on = by_name.chain(by_glob).filter(|path| path.first() != rest.first());
        led_on.find_map(|path| self.definition(at, &path, tried))
    }
}
