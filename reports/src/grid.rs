//! Properties by workload: an overview of a run with several workloads, before the findings one by one.

use checker::CheckName;
use checker::verdict::PropertyResult;

use crate::summary::workload_name;

/// A column for each workload, a row for each property.
pub(crate) struct Grid<'a> {
    /// The workloads in the order in which they were checked; `all`, for properties of the whole run, comes last.
    pub workloads: Vec<&'a str>,
    pub rows: Vec<Row<'a>>,
}

/// The results of a property.
pub(crate) struct Row<'a> {
    pub property: CheckName,
    /// For each workload the result, with its position; none if the property does not apply to the workload.
    pub results: Vec<Option<(usize, &'a PropertyResult)>>,
}

/// With more workloads there is no grid.
const WORKLOADS_MAX: usize = 12;

impl<'a> Grid<'a> {
    /// None if there is only one workload, or if there are too many.
    pub fn of(properties: &'a [PropertyResult]) -> Option<Self> {
        let mut workloads: Vec<&str> = Vec::new();
        for workload in properties.iter().filter_map(|result| result.workload.as_deref()) {
            if workloads.len() <= WORKLOADS_MAX && !workloads.contains(&workload) {
                workloads.push(workload);
            }
        }
        if !(2..=WORKLOADS_MAX).contains(&workloads.len()) {
            return None;
        }
        workloads.extend(properties.iter().find(|result| result.workload.is_none()).map(workload_name));
        // Those of every run first, in their order; then what this run's workloads have of their own.
        let judged = |property: &CheckName| properties.iter().any(|result| result.property == *property);
        let mut judged: Vec<CheckName> = CheckName::measured().filter(judged).collect();
        for result in properties {
            if !judged.contains(&result.property) {
                judged.push(result.property);
            }
        }
        let rows = judged.into_iter().map(|property| Row {
            property,
            results: workloads.iter().map(|workload| find(properties, property, workload)).collect(),
        });
        Some(Self { rows: rows.collect(), workloads })
    }
}

fn find<'a>(
    properties: &'a [PropertyResult],
    property: CheckName,
    workload: &str,
) -> Option<(usize, &'a PropertyResult)> {
    let is = |result: &PropertyResult| result.property == property && workload_name(result) == workload;
    properties.iter().enumerate().find(|(_, result)| is(result))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use checker::verdict::Outcome;

    use super::*;

    fn result(property: CheckName, workload: Option<&str>) -> PropertyResult {
        PropertyResult {
            property,
            workload: workload.map(str::to_owned),
            claimed: true,
            outcome: Outcome::Valid,
            summary: String::new(),
            figures: BTreeMap::new(),
            anomalies: Vec::new(),
            anomalies_total: 0,
            strongest: Vec::new(),
        }
    }

    #[test]
    fn regression_what_only_some_workloads_have_was_left_out() {
        let linearizable = CheckName::ALL.iter().copied().find(|name| name.name() == "linearizable").expect("known");
        let properties = [
            result(linearizable, Some("cas-register")),
            result(CheckName::DURABILITY, Some("set")),
            result(CheckName::AVAILABILITY, None),
        ];
        let grid = Grid::of(&properties).expect("there are two workloads");
        assert_eq!(grid.workloads, ["cas-register", "set", "all"]);
        let rows: Vec<CheckName> = grid.rows.iter().map(|row| row.property).collect();
        assert_eq!(rows, [CheckName::DURABILITY, CheckName::AVAILABILITY, linearizable]);
        assert!(grid.rows[2].results[0].is_some() && grid.rows[2].results[1].is_none());
    }
}
