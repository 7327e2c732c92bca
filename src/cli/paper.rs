//! `dissensus paper`: the paper's experiments, measured again and compared with its figures.

use std::path::PathBuf;

use reports::experiment::{Experiment, FigureTable};
use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Style};

use super::arguments::{PaperAction, PaperArgs};
use super::out::say;
use crate::exit::{Exit, Problem};
use crate::paper::pbs::Scale;
use crate::paper::{ExperimentError, buffer, coordination, load, pbs, versions};
use crate::store::write_whole;

/// Measures, prints tables, and draws a page of plots. A figure that differs from the published one makes the outcome
/// invalid.
pub fn paper(args: &PaperArgs) -> Result<Exit, Problem> {
    let actions = match &args.action {
        Some(action) => vec![action.clone()],
        None => PaperAction::all(),
    };
    let mut experiments = Vec::new();
    for action in &actions {
        let experiment = perform(action).map_err(Problem::bench)?;
        print(&experiment);
        experiments.push(experiment);
    }
    let page = page(args, &experiments);
    let html = reports::experiments_html("The Dynamo paper's experiments, measured again", &experiments);
    if let Some(directory) = page.parent() {
        std::fs::create_dir_all(directory)
            .map_err(|error| Problem::bench(format!("cannot make {}: {error}", directory.display())))?;
    }
    write_whole(&page, &html).map_err(Problem::bench)?;
    say!("plots  {}", page.display());
    match experiments.iter().all(|experiment| experiment.disagreements.is_empty()) {
        true => Ok(Exit::Valid),
        false => Ok(Exit::Invalid),
    }
}

fn perform(action: &PaperAction) -> Result<Experiment, ExperimentError> {
    match *action {
        PaperAction::Load { draws, seed } => load::experiment(draws, seed),
        PaperAction::Coordination { operations, seed } => coordination::experiment(operations, seed),
        PaperAction::Buffer { operations, seed } => buffer::experiment(operations, seed),
        PaperAction::Versions { reads, seed } => versions::experiment(reads, seed),
        PaperAction::Pbs { trials, protocol_trials, seed } => pbs::experiment(Scale { trials, protocol_trials, seed }),
    }
}

/// The path of the page: one page for all experiments, or one for an experiment that is measured alone.
fn page(args: &PaperArgs, experiments: &[Experiment]) -> PathBuf {
    let name = match (&args.action, experiments) {
        (Some(_), [one]) => format!("paper-{}.html", one.name),
        _ => "paper.html".into(),
    };
    args.html.clone().unwrap_or_else(|| args.store.join(name))
}

fn print(experiment: &Experiment) {
    say!("{}", experiment.title);
    for sentence in &experiment.method {
        say!("{sentence}");
    }
    for figures in &experiment.tables {
        say!("\n{}\n{}", figures.caption, table(figures));
    }
    match experiment.disagreements.is_empty() {
        true => say!("holds: {}\n", experiment.criterion),
        false => {
            say!("does not hold: {}", experiment.criterion);
            for disagreement in &experiment.disagreements {
                say!("  {disagreement}");
            }
            say!("");
        }
    }
}

fn table(figures: &FigureTable) -> String {
    let mut builder = Builder::default();
    builder.push_record(figures.headings.clone());
    for row in &figures.rows {
        builder.push_record(row.clone());
    }
    let mut table = builder.build();
    table.with(Style::rounded()).modify(Columns::new(1..), Alignment::right());
    table.to_string()
}
