//! An experiment as it is reported: tables, charts and results. Plain data, made by the code that measured.

/// One experiment and its results.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Experiment {
    /// What it is called at the command line.
    pub name: String,
    /// What is measured, in a few words.
    pub title: String,
    /// How it was measured: sentences.
    pub method: Vec<String>,
    /// The figures.
    pub tables: Vec<FigureTable>,
    /// The same, drawn.
    pub charts: Vec<Chart>,
    /// How the figures are compared with the published ones, in a sentence.
    pub criterion: String,
    /// Where the criterion is not met; empty = it is.
    pub disagreements: Vec<String>,
}

/// A table of text; the first cell of a row names it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FigureTable {
    /// Above it.
    pub caption: String,
    /// One a column.
    pub headings: Vec<String>,
    /// As many cells each as there are headings.
    pub rows: Vec<Vec<String>>,
}

impl FigureTable {
    /// A table without rows.
    pub fn new(caption: impl Into<String>, headings: &[&str]) -> Self {
        let headings = headings.iter().map(|heading| (*heading).to_owned()).collect();
        Self { caption: caption.into(), headings, rows: Vec::new() }
    }

    /// Adds a row.
    pub fn push(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }
}

/// A drawing.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// Above it.
    pub title: String,
    /// From left to right.
    pub x: Axis,
    /// Upwards.
    pub y: Axis,
    /// What is drawn.
    pub series: Vec<Series>,
    /// Names for x = 0, 1, 2, ...: then the series are drawn as bars side by side. Empty = as lines.
    pub categories: Vec<String>,
}

/// An axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What it is, with its unit.
    pub label: String,
    /// Powers of ten are equally far apart; only for what is greater than zero.
    pub logarithmic: bool,
}

impl Axis {
    /// Equal steps are equally far apart.
    pub fn linear(label: impl Into<String>) -> Self {
        Self { label: label.into(), logarithmic: false }
    }

    /// Equal factors are equally far apart.
    pub fn logarithmic(label: impl Into<String>) -> Self {
        Self { label: label.into(), logarithmic: true }
    }
}

/// What belongs together in a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// In the legend.
    pub name: String,
    /// x and y. What an axis cannot show (not finite, or not above zero where it is logarithmic) is left out.
    pub points: Vec<(f64, f64)>,
    /// A published or computed figure, not a measured one: dashed.
    pub is_reference: bool,
}

impl Series {
    /// Something measured.
    pub fn measured(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, is_reference: false }
    }

    /// Something to compare with.
    pub fn reference(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, is_reference: true }
    }
}
