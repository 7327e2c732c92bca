//! Experiments as one HTML file in the style of the report: what was measured, the figures, the same drawn.

use super::table::{Set, table};
use super::{chart, page, plot};
use crate::experiment::{Experiment, FigureTable};
use crate::format::{abbreviate, esc};

/// Rows shown of a table.
const ROWS_MAX: usize = 200;
/// Charts drawn of an experiment.
const CHARTS_MAX: usize = 12;
const SENTENCE_CHARS_MAX: usize = 600;

/// The experiments as one page. It needs nothing else, and stays small however much was measured.
pub fn experiments_html(title: &str, experiments: &[Experiment]) -> String {
    let agreed = experiments.iter().filter(|experiment| experiment.disagreements.is_empty()).count();
    let class = if agreed == experiments.len() { "valid" } else { "invalid" };
    let links: String = experiments.iter().map(|one| format!("<a href=\"#{0}\">{0}</a>", esc(&one.name))).collect();
    let body = format!(
        "<header class=\"{class}\"><p class=\"title\">dissensus paper</p><h1>{}</h1>\n<p>{agreed} of {} experiments agree with what is \
         published. Dashed lines and hollow bars are published or computed figures, the rest is \
         measured.</p></header>\n<nav>{links}</nav>\n",
        esc(abbreviate(title, 200)),
        experiments.len(),
    );
    let body = experiments.iter().fold(body, |body, one| body + &section(one));
    page(title, &[super::style::CSS, plot::CSS], chart::DEFS, &body, "")
}

fn section(experiment: &Experiment) -> String {
    let mut html = format!("<section id=\"{}\"><h2>{}</h2>\n", esc(&experiment.name), esc(&experiment.title));
    for sentence in &experiment.method {
        html += &paragraph("", sentence);
    }
    match experiment.disagreements.is_empty() {
        true => html += &paragraph(" class=\"yes\"", &format!("✓ {}", experiment.criterion)),
        false => {
            html += &paragraph("", &experiment.criterion);
            for disagreement in &experiment.disagreements {
                html += &paragraph(" class=\"no\"", &format!("✗ {disagreement}"));
            }
        }
    }
    for chart in experiment.charts.iter().take(CHARTS_MAX) {
        html += &plot::plot(chart);
    }
    for figures in &experiment.tables {
        html += &figure_table(figures);
    }
    html + "</section>\n"
}

fn paragraph(attributes: &str, sentence: &str) -> String {
    format!("<p{attributes}>{}</p>\n", esc(abbreviate(sentence, SENTENCE_CHARS_MAX)))
}

fn figure_table(figures: &FigureTable) -> String {
    let columns: Vec<(&str, Set)> = figures
        .headings
        .iter()
        .enumerate()
        .map(|(number, heading)| (heading.as_str(), if number == 0 { Set::Text } else { Set::Number }))
        .collect();
    let cells = |row: &Vec<String>| row.iter().map(|cell| esc(abbreviate(cell, 200)).to_string()).collect();
    let rows: Vec<Vec<String>> = figures.rows.iter().take(ROWS_MAX).map(cells).collect();
    let left_out = match figures.rows.len() - rows.len() {
        0 => String::new(),
        more => format!("<p class=\"quiet\">{more} more rows are not shown.</p>\n"),
    };
    format!("<h3>{}</h3>\n{}{left_out}", esc(&figures.caption), table(&figures.caption, &columns, &rows))
}
