//! Prometheus text format 0.0.4, which prometheus-client does not write.

use super::{Labels, Metric, MetricType, SampleValue, escape_help};

/// The whole exposition.
pub fn encode(metrics: &[Metric]) -> String {
    let mut out = String::new();
    for metric in metrics {
        let name = match metric.kind {
            MetricType::Counter => format!("{}_total", metric.name),
            _ => metric.name.clone(),
        };
        push(&mut out, &["# HELP ", &name, " ", &escape_help(&metric.help), "\n"]);
        push(&mut out, &["# TYPE ", &name, " ", metric.kind.as_str(), "\n"]);
        for sample in &metric.samples {
            match &sample.value {
                SampleValue::Integer(value) => line(&mut out, &[&name], &sample.labels, None, itoa::Buffer::new().format(*value)),
                SampleValue::Float(value) => line(&mut out, &[&name], &sample.labels, None, &float(*value)),
                SampleValue::Histogram { buckets, sum, count } => histogram(&mut out, &name, &sample.labels, buckets, *sum, *count),
            }
        }
    }
    out
}

fn histogram(out: &mut String, name: &str, labels: &Labels, buckets: &[(f64, u64)], sum: f64, count: u64) {
    let mut cumulated = 0u64;
    for (bound, n) in buckets {
        cumulated = cumulated.saturating_add(*n);
        line(out, &[name, "_bucket"], labels, Some(&float(*bound)), itoa::Buffer::new().format(cumulated));
    }
    line(out, &[name, "_sum"], labels, None, &float(sum));
    line(out, &[name, "_count"], labels, None, itoa::Buffer::new().format(count));
}

fn line(out: &mut String, name: &[&str], labels: &Labels, bound: Option<&str>, value: &str) {
    push(out, name);
    let mut opening = "{";
    for (name, value) in labels {
        push(out, &[opening, name, "=\""]);
        escape(out, value);
        out.push('"');
        opening = ",";
    }
    if let Some(bound) = bound {
        push(out, &[opening, "le=\"", bound, "\""]);
        opening = ",";
    }
    if opening == "," {
        out.push('}');
    }
    push(out, &[" ", value, "\n"]);
}

fn push(out: &mut String, parts: &[&str]) {
    parts.iter().for_each(|part| out.push_str(part));
}

fn escape(out: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

/// As prometheus-client writes floats, so that `le` is the same label in both formats.
fn float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    dtoa::Buffer::new().format_finite(value).to_owned()
}
