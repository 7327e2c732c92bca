//! `dissensus paper`: the paper's own experiments, beside its figures.

use cluster_core::config::Partitioning;
use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Style};

use super::arguments::{PaperAction, PaperArgs};
use super::out::say;
use crate::exit::{Exit, Problem};
use crate::paper::load::{self, Load, NODES, REPLICAS, TOLERANCE};

/// Measures, and prints a table. A figure that is not the paper's is an invalid outcome.
pub fn paper(args: &PaperArgs) -> Result<Exit, Problem> {
    match args.action {
        PaperAction::Load { draws, seed } => load(draws, seed),
    }
}

fn load(draws: u16, seed: u64) -> Result<Exit, Problem> {
    let loads = load::measure(draws, seed).map_err(Problem::bench)?;
    say!("load efficiency (mean/max), S = {NODES} nodes, N = {REPLICAS}, uniform load, {draws} draws from seed {seed}");
    say!("{}", table(&loads));
    let disagreeing = loads.iter().filter(|load| load.disagrees()).count();
    if disagreeing == 0 {
        say!("every figure is within {TOLERANCE} of the paper's");
        return Ok(Exit::Valid);
    }
    say!(
        "{disagreeing} of the figures more than {TOLERANCE} from the paper's: beside ± (standard error) see whether it is chance"
    );
    Ok(Exit::Invalid)
}

fn table(loads: &[Load]) -> String {
    let mut builder = Builder::default();
    builder.push_record(["strategy", "partitioning", "ours", "±", "paper", "difference", "metadata, bytes"]);
    for load in loads {
        let (strategy, partitioning) = names(load.partitioning);
        builder.push_record([
            strategy.to_owned(),
            partitioning,
            format!("{:.3}", load.efficiency),
            format!("{:.3}", load.error),
            load.paper.map_or("-".to_owned(), |paper| format!("{paper:.2}")),
            load.difference().map_or("-".to_owned(), |difference| format!("{difference:+.3}")),
            load::metadata_bytes(load.partitioning, NODES).to_string(),
        ]);
    }
    let mut table = builder.build();
    table.with(Style::rounded()).modify(Columns::new(2..), Alignment::right());
    table.to_string()
}

fn names(partitioning: Partitioning) -> (&'static str, String) {
    match partitioning {
        Partitioning::Random { tokens } => ("1", format!("T = {tokens}")),
        Partitioning::FixedRanges { tokens, ranges } => ("2", format!("T = {tokens}, Q = {ranges}")),
        Partitioning::EqualTokens { ranges } => ("3", format!("Q = {ranges}")),
    }
}
