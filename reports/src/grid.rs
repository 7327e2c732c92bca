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
        let judged = |property: &CheckName| properties.iter().any(|result| result.property == *property);
        let rows = CheckName::measured().filter(judged).map(|property| Row {
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
