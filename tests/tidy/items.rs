//! What a file says of its modules: what they define, what they use, and the paths in their code.

use std::collections::BTreeSet;

use super::tokens::tokens;

/// The names from a crate's root to a module or an item.
pub type Path = Vec<String>;

/// One module: a file, or a `mod x { ... }` in one.
#[derive(Default)]
pub struct Module {
    pub path: Path,
    pub file: String,
    /// Modules below it.
    pub children: BTreeSet<String>,
    /// Those of them that are only there for tests.
    pub tests: BTreeSet<String>,
    pub defines: BTreeSet<String>,
    pub uses: Vec<Use>,
    /// Paths in its code, of two names or more.
    pub paths: Vec<Path>,
    /// Every name in its code, outside of `use`.
    pub words: BTreeSet<String>,
}

/// One name that a `use` brings in.
pub struct Use {
    pub path: Path,
    /// What it is called here.
    pub name: String,
    pub is_glob: bool,
    pub is_reexport: bool,
}

impl Module {
    /// The paths of the modules below it that are only there for tests.
    pub fn test_modules(&self) -> impl Iterator<Item = Path> + '_ {
        self.tests.iter().map(|test| [self.path.as_slice(), std::slice::from_ref(test)].concat())
    }
}

/// The modules of a file, whose path is below `src`.
pub fn modules_of(file: &str, text: &str) -> Vec<Module> {
    let stem = file.trim_end_matches(".rs");
    let names = stem.trim_end_matches("/mod").split('/').map(str::to_owned);
    let path: Path = names.filter(|name| !["lib", "main", "mod"].contains(&name.as_str())).collect();
    let tokens = tokens(text);
    let mut reader = Reader { tokens: &tokens, at: 0, file, done: Vec::new() };
    reader.module(path);
    reader.done
}

/// Reads items one after the other.
struct Reader<'a> {
    tokens: &'a [String],
    at: usize,
    file: &'a str,
    done: Vec<Module>,
}

impl Reader<'_> {
    /// Reads to the end of the module, which is the end of the file or a brace that it did not open.
    fn module(&mut self, path: Path) {
        let mut module = Module { path, file: self.file.to_owned(), ..Module::default() };
        let (mut is_public, mut is_test, mut depth) = (false, false, 0_usize);
        while let Some(token) = self.token(0) {
            let is_item = depth == 0;
            match token {
                "#" => is_test |= self.attribute() && is_item,
                "pub" => is_public = true,
                // Not that of `impl Trait + use<>`.
                "use" if self.token(1) != Some("<") => self.uses(&mut module, std::mem::take(&mut is_public)),
                "{" => depth += 1,
                "}" if depth == 0 => break,
                "}" => depth -= 1,
                "mod" if is_item => self.submodule(&mut module, std::mem::take(&mut is_test)),
                _ if is_item && std::mem::take(&mut is_test) => self.skip_item(),
                keyword if is_item && DEFINING.contains(&keyword) => {
                    module.defines.extend(self.token(1).map(str::to_owned));
                }
                token if is_word(token) => self.path(&mut module),
                _ => {}
            }
            if !["pub", "(", ")", "crate", "super", "in"].contains(&self.token(0).unwrap_or_default()) {
                is_public = false;
            }
            self.at += 1;
        }
        self.done.push(module);
    }

    fn token(&self, ahead: usize) -> Option<&str> {
        self.tokens.get(self.at + ahead).map(String::as_str)
    }

    /// Moves to the last token of an attribute; whether it is `cfg(test)`.
    fn attribute(&mut self) -> bool {
        self.at += usize::from(self.token(1) == Some("!"));
        let begin = self.at;
        self.skip_to_closing("[", "]");
        let inner = &self.tokens[begin..self.at];
        let has = |word: &str| inner.iter().any(|token| token == word);
        has("cfg") && has("test") && !has("not")
    }

    /// Moves to the token that closes the next of these brackets.
    fn skip_to_closing(&mut self, open: &str, close: &str) {
        let mut depth = 0;
        while let Some(token) = self.token(0) {
            depth += usize::from(token == open);
            if token == close {
                depth -= 1;
                if depth == 0 {
                    return;
                }
            }
            self.at += 1;
        }
    }

    /// Moves to the last token of an item.
    fn skip_item(&mut self) {
        while let Some(token) = self.token(0) {
            match token {
                ";" => return,
                "{" => return self.skip_to_closing("{", "}"),
                _ => self.at += 1,
            }
        }
    }

    fn submodule(&mut self, module: &mut Module, is_test: bool) {
        let name = self.token(1).unwrap_or_default().to_owned();
        if is_test {
            module.tests.insert(name);
            return self.skip_item();
        }
        module.children.insert(name.clone());
        self.at += 2;
        if self.token(0) == Some("{") {
            self.at += 1;
            self.module([module.path.as_slice(), &[name]].concat());
        }
    }

    /// A word of the code, and the path that it begins.
    fn path(&mut self, module: &mut Module) {
        let mut path = vec![self.token(0).unwrap_or_default().to_owned()];
        // What follows a dot is a field or a method.
        let is_member = self.at > 0 && self.tokens[self.at - 1] == ".";
        while self.token(1) == Some("::") && self.token(2).is_some_and(is_word) {
            path.extend(self.token(2).map(str::to_owned));
            self.at += 2;
        }
        module.words.insert(path[0].clone());
        if path.len() > 1 && !is_member {
            module.paths.push(path);
        }
    }

    /// Moves to the semicolon of a `use`.
    fn uses(&mut self, module: &mut Module, is_reexport: bool) {
        self.at += 1;
        let mut found = Vec::new();
        self.use_tree(&Path::new(), &mut found);
        for (mut path, alias) in found {
            let is_glob = path.last().is_some_and(|last| last == "*");
            if is_glob || path.last().is_some_and(|last| last == "self") {
                path.pop();
            }
            let name = alias.or_else(|| path.last().cloned()).unwrap_or_default();
            module.uses.push(Use { path, name, is_glob, is_reexport });
        }
    }

    /// One tree of a `use`, up to the comma, brace or semicolon behind it.
    fn use_tree(&mut self, before: &Path, found: &mut Vec<(Path, Option<String>)>) {
        let mut path = before.clone();
        while let Some(token) = self.token(0) {
            match token {
                "::" => {}
                "{" => return self.use_list(&path, found),
                "as" => {
                    let alias = self.token(1).map(str::to_owned);
                    self.at += 2;
                    return found.push((path, alias));
                }
                "," | "}" | ";" => return found.push((path, None)),
                name => path.push(name.to_owned()),
            }
            self.at += 1;
        }
    }

    fn use_list(&mut self, before: &Path, found: &mut Vec<(Path, Option<String>)>) {
        self.at += 1;
        while self.token(0).is_some_and(|token| token != "}") {
            match self.token(0) {
                Some(",") => self.at += 1,
                _ => self.use_tree(before, found),
            }
        }
        self.at += 1;
    }
}

/// What stands before the name that an item defines.
const DEFINING: [&str; 8] = ["struct", "enum", "trait", "type", "const", "static", "fn", "union"];

fn is_word(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}
