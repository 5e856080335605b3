//! Reports as a person reads them when a test fails: one line for each thing that happened, in order.

use std::fmt::{self, Write as _};

use runner::record::{Function, ResultType};
use serde_json::Value;

use super::{ExecutionReport, LifecycleReport, Report, ResponseReport, Timeline};
use crate::outbound::RequestReport;

/// How much of a value is shown.
const WIDTH: usize = 200;

impl fmt::Display for Report {
    /// Shows the answer, the executions and the requests, a line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.response)?;
        let all = self.execution.iter().chain(&self.further);
        tell(f, all, &self.requests)
    }
}

impl fmt::Display for LifecycleReport {
    /// Shows the executions and the requests, a line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        tell(f, &self.executions, &self.requests)
    }
}

impl fmt::Display for Timeline {
    /// Shows the executions, the requests and the state, a line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        tell(f, &self.executions, &self.requests)?;
        self.state
            .iter()
            .try_for_each(|(key, value)| writeln!(f, "state now: {key} = {}", short(value)))
    }
}

impl fmt::Display for ExecutionReport {
    /// Shows how the execution ended, and its steps, state changes and log, a line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        tell(f, [self], &[])
    }
}

impl fmt::Display for ResponseReport {
    /// Shows the status, what the answer points to, and the body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer: {}", self.status)?;
        if let Some(location) = self.headers.get("location") {
            write!(f, " -> {location}")?;
        }
        if !self.body.is_null() {
            write!(f, " {}", short(&self.body))?;
        }
        f.write_char('\n')
    }
}

/// Tells each execution with the requests of its steps below the steps; what cannot be told apart stands at the end.
fn tell<'a>(
    f: &mut fmt::Formatter<'_>,
    executions: impl IntoIterator<Item = &'a ExecutionReport>,
    requests: &[RequestReport],
) -> fmt::Result {
    let mut told = vec![false; requests.len()];
    for execution in executions {
        begin(f, execution)?;
        for step in &execution.steps {
            let end = match (&step.result, &step.error) {
                (Some(result), _) => short(result),
                (None, Some(error)) => format!("failed: {error}"),
                (None, None) => "no result".to_owned(),
            };
            writeln!(f, "  step `{}`: {end}", step.name)?;
        }
        for (request, told) in requests.iter().zip(&mut told) {
            if !*told && request.execution.as_ref() == Some(&execution.id) {
                *told = true;
                request_line(f, request)?;
            }
        }
        for change in &execution.state {
            writeln!(f, "  state: {} = {}", change.key, short(&change.value))?;
        }
        for line in &execution.log {
            let level = serde_json::to_value(line.level).unwrap_or_default();
            let fields = match &line.fields {
                Value::Object(fields) if !fields.is_empty() => format!(" {}", short(&line.fields)),
                _ => String::new(),
            };
            let level = level.as_str().unwrap_or_default();
            writeln!(f, "  log: {level} {}{fields}", line.text)?;
        }
    }
    for (request, _) in requests.iter().zip(told).filter(|(_, told)| !told) {
        request_line(f, request)?;
    }
    Ok(())
}

fn begin(f: &mut fmt::Formatter<'_>, execution: &ExecutionReport) -> fmt::Result {
    let cause = serde_json::to_value(execution.invoked_by).unwrap_or_default();
    let cause = cause.as_str().unwrap_or_default();
    write!(
        f,
        "{} flow `{}` ({cause}",
        execution.accepted_at, execution.flow
    )?;
    if execution.function != Function::OnExecution {
        let function = serde_json::to_value(execution.function).unwrap_or_default();
        write!(f, ", {}", function.as_str().unwrap_or_default())?;
    }
    if execution.attempt > 1 {
        write!(f, ", attempt {}", execution.attempt)?;
    }
    f.write_str("): ")?;
    match (&execution.error, execution.result, execution.run_at) {
        (Some(error), ..) => write!(f, "failed: {error}")?,
        (None, Some(ResultType::Completed), _) => f.write_str("completed")?,
        (None, Some(other), _) => {
            let other = serde_json::to_value(other).unwrap_or_default();
            f.write_str(other.as_str().unwrap_or_default())?;
        }
        (None, None, Some(at)) => write!(f, "waits until {at}")?,
        (None, None, None) => f.write_str("has not ended")?,
    }
    if !execution.output.is_null() {
        write!(f, " with {}", short(&execution.output))?;
    }
    f.write_char('\n')
}

fn request_line(f: &mut fmt::Formatter<'_>, request: &RequestReport) -> fmt::Result {
    write!(f, "  request: {} {}", request.method, request.path)?;
    if !request.body.is_null() {
        write!(f, " {}", short(&request.body))?;
    }
    match request.status {
        Some(status) => write!(f, " -> {status}")?,
        None => f.write_str(" -> no answer")?,
    }
    match &request.step {
        Some(step) => writeln!(f, " (in step `{step}`)"),
        None => f.write_char('\n'),
    }
}

/// Shows a value in one line, without its end if it is long.
pub(super) fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
