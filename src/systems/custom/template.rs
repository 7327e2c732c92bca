//! Text with placeholders: `--port {port}`.
//!
//! A brace that is not around a name is text, so JSON can be written as it is: `{"value": {value}}`. A name that is unknown in
//! its place is refused when the file is read, never sent to a store.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

/// Of a node that is started: its name, its number from 1, its host, its port for clients and for peers, both with the host, its
/// directory, its peers, the directory of the configuration file.
pub const OF_NODES: &[&str] =
    &["name", "number", "host", "port", "peer-port", "address", "peer-address", "data", "peers", "directory"];
/// Of one peer in `{peers}`.
pub const OF_PEERS: &[&str] = &["name", "number", "host", "port", "peer-port", "address"];
/// Of a get, a put, a delete.
pub const OF_KEYS: &[&str] = &["key", "value", OF_ENVIRONMENT];
/// Of an operation of a workload.
pub const OF_OPERATIONS: &[&str] = &["key", "value", "from", "to", "process", OF_ENVIRONMENT];
/// Of every connection.
pub const OF_CONNECTIONS: &[&str] = &[OF_ENVIRONMENT];
/// Stands for any variable of the environment, where there may be one: what is secret is not in the file.
const OF_ENVIRONMENT: &str = "env:NAME";
const ENVIRONMENT: &str = "env:";

/// Of a fault at a node that runs already: its name, its number from 1, its host, its port, both of them, the hosts of the others,
/// the directory of the configuration file.
pub const OF_FAULTS: &[&str] = &["node", "number", "host", "port", "address", "others", "directory"];
/// Of a fault at all nodes at once.
pub const OF_FAULTS_OF_ALL: &[&str] = &["directory"];

/// Text with placeholders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Template(String);

impl From<String> for Template {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<Template> for String {
    fn from(template: Template) -> Self {
        template.0
    }
}

impl Display for Template {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A part of a template.
enum Part<'t> {
    Text(&'t str),
    Name(&'t str),
}

impl Template {
    /// Says which placeholder is unknown.
    ///
    /// # Errors
    /// With a sentence about it.
    pub fn check(&self, known: &[&str]) -> Result<(), String> {
        let unknown = self.parts().into_iter().find_map(|part| match part {
            Part::Name(name) if !is_among(name, known) => Some(name),
            _ => None,
        });
        let is_open = |name: &&&str| {
            let after = |(at, found): (usize, &str)| self.0[at + found.len()..].chars().next();
            let goes_on = |next: char| next == '}' || next == '-' || next.is_ascii_lowercase();
            self.0.match_indices(&format!("{{{name}")).any(|found| !after(found).is_some_and(goes_on))
        };
        if let Some(name) = known.iter().find(is_open) {
            return Err(format!("{{{name} has no closing brace"));
        }
        match unknown {
            Some(name) => Err(format!("unknown placeholder {{{name}}}: here there are {{{}}}", known.join("}, {"))),
            None => Ok(()),
        }
    }

    /// The text with what `value` gives for each name; what it does not know stays as it is.
    pub fn fill(&self, value: impl Fn(&str) -> Option<String>) -> String {
        let parts = self.parts().into_iter().map(|part| match part {
            Part::Text(text) => text.to_owned(),
            Part::Name(name) => value(name).unwrap_or_else(|| format!("{{{name}}}")),
        });
        parts.collect()
    }

    /// The variables of the environment that are in it.
    pub fn variables(&self) -> Vec<&str> {
        let variable = |part| match part {
            Part::Name(name) => name.strip_prefix(ENVIRONMENT),
            Part::Text(_) => None,
        };
        self.parts().into_iter().filter_map(variable).collect()
    }

    /// As `METHOD /PATH`.
    pub fn method_and_path(&self) -> Option<(&str, Template)> {
        let (method, path) = self.0.split_once(' ')?;
        let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
        (is_method && path.starts_with('/')).then(|| (method, Self(path.to_owned())))
    }

    /// Whether the name is in it.
    pub fn has(&self, name: &str) -> bool {
        self.parts().iter().any(|part| matches!(part, Part::Name(found) if *found == name))
    }

    fn parts(&self) -> Vec<Part<'_>> {
        let (mut parts, mut rest) = (Vec::new(), &*self.0);
        while let Some(open) = rest.find('{') {
            let (text, from) = rest.split_at(open);
            match from[1..].find('}').map(|close| &from[1..=close]).filter(|name| is_name(name)) {
                Some(name) => {
                    parts.extend([Part::Text(text), Part::Name(name)]);
                    rest = &from[name.len() + 2..];
                }
                None => {
                    parts.push(Part::Text(&rest[..=open]));
                    rest = &rest[open + 1..];
                }
            }
        }
        parts.push(Part::Text(rest));
        parts
    }
}

/// The value of a name that is a variable of the environment.
pub fn of_environment(name: &str) -> Option<String> {
    std::env::var(name.strip_prefix(ENVIRONMENT)?).ok()
}

fn is_among(name: &str, known: &[&str]) -> bool {
    known.contains(&name) || (name.starts_with(ENVIRONMENT) && known.contains(&OF_ENVIRONMENT))
}

fn is_name(text: &str) -> bool {
    let is_of = |text: &str, may: fn(u8) -> bool| !text.is_empty() && text.bytes().all(may);
    match text.strip_prefix(ENVIRONMENT) {
        Some(variable) => is_of(variable, |byte| byte.is_ascii_alphanumeric() || byte == b'_'),
        None => is_of(text, |byte| byte.is_ascii_lowercase() || byte == b'-'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> String {
        let value = |name: &str| (name == "key" || name == "value").then(|| format!("<{name}>"));
        Template::from(text.to_owned()).fill(value)
    }

    #[test]
    fn names_are_replaced_and_other_braces_stay() {
        assert_eq!(filled("/kv/{key}?v={value}"), "/kv/<key>?v=<value>");
        assert_eq!(filled(r#"{"value": {value}}"#), r#"{"value": <value>}"#);
        assert_eq!(filled("{{key}} {} {Key} {"), "{<key>} {} {Key} {");
    }

    #[test]
    fn an_unknown_name_is_refused_with_those_there_are() {
        let said = Template::from("{keys}".to_owned()).check(OF_KEYS).expect_err("it is unknown");
        assert!(said.contains("{keys}") && said.contains("{key}, {value}"), "{said}");
        assert!(
            Template::from("{key".to_owned()).check(OF_KEYS).is_err_and(|said| said.contains("{key has no closing"))
        );
        assert_eq!(Template::from(r#"{"a": 1}"#.to_owned()).check(OF_KEYS), Ok(()));
    }

    #[test]
    fn a_variable_is_a_name_where_there_may_be_one() {
        let template = Template::from("Bearer {env:MY_TOKEN} {env:} {env:a b}".to_owned());
        assert_eq!(template.variables(), ["MY_TOKEN"]);
        assert_eq!(template.check(OF_CONNECTIONS), Ok(()));
        assert!(template.check(OF_NODES).is_err_and(|said| said.contains("unknown placeholder {env:MY_TOKEN}")));
        assert_eq!(of_environment("env:NO_SUCH_VARIABLE"), None);
        assert_eq!(of_environment("env:PATH"), std::env::var("PATH").ok());
    }

    #[test]
    fn a_request_line_is_a_method_and_a_path() {
        let line = |text: &str| {
            Template::from(text.to_owned()).method_and_path().map(|(method, path)| (method.to_owned(), path.0))
        };
        assert_eq!(line("GET /kv/{key}"), Some(("GET".into(), "/kv/{key}".into())));
        assert!(["GET kv", "get /kv", "/kv", " /kv"].into_iter().all(|text| line(text).is_none()));
    }
}
