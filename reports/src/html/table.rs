//! Tables whose headers say what a column is, and which scroll by themselves where a screen is narrow.

use crate::format::esc;

/// How a column is set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    /// Words.
    Text,
    /// Figures, to the right.
    Number,
    /// A sentence: wide, wrapping.
    Prose,
}

impl Set {
    fn class(self) -> &'static str {
        match self {
            Set::Text => "",
            Set::Number => " class=\"n\"",
            Set::Prose => " class=\"prose\"",
        }
    }
}

/// A table of cells that are HTML already. The first cell of a row is its header. `label` names the table for those
/// who hear it.
pub(super) fn table(label: &str, columns: &[(&str, Set)], rows: &[Vec<String>]) -> String {
    let head: String =
        columns.iter().map(|(name, set)| format!("<th scope=\"col\"{}>{}</th>", set.class(), esc(name))).collect();
    // Where a column is prose, a narrow screen stacks the cells of a row, each with its column's name.
    let stack = if columns.iter().any(|(_, set)| *set == Set::Prose) { " class=\"stack\"" } else { "" };
    let body: String = rows.iter().map(|row| row_html(columns, row)).collect();
    format!(
        "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{label}\"><table{stack}>\n\
         <thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n",
        label = esc(label)
    )
}

fn row_html(columns: &[(&str, Set)], row: &[String]) -> String {
    let cells = columns.iter().zip(row).enumerate().map(|(position, ((name, set), cell))| match position {
        0 => format!("<th scope=\"row\"{}>{cell}</th>", set.class()),
        _ => format!("<td{} data-label=\"{}\">{cell}</td>", set.class(), esc(name)),
    });
    format!("<tr>{}</tr>\n", cells.collect::<String>())
}
