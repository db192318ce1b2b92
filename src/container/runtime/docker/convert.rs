//! The engine's answers as container records. Nothing in them is trusted to be there, or to be short.

use std::collections::HashMap;

use bollard::models::{ContainerSummary, EventActor};

use super::Engine;
use super::inspected::Inspected;
use crate::container::record::{Container, KubernetesMeta};
use crate::container::runtime::bounds::{self, text};

/// What an event's attributes have beside labels.
const NO_LABELS: [&str; 5] = ["name", "image", "exitCode", "containerExitCode", "podId"];
/// The label with the id of a container's sandbox, as Kubernetes' shims for Docker write it.
const SANDBOX: &str = "io.kubernetes.sandbox.id";
/// Kubernetes' annotations stand among the labels with this in front, as the API has none.
const ANNOTATION: &str = "annotation.";

/// A container of the listing; `None` for an entry without id.
pub(super) fn from_summary(engine: Engine, summary: ContainerSummary) -> Option<Container> {
    let name = summary.names.unwrap_or_default().into_iter().next().unwrap_or_default();
    let mut container = record(engine, &summary.id?, &name, &summary.image.unwrap_or_default(), summary.labels.unwrap_or_default())?;
    container.runtime.container_image_id = text(&summary.image_id.unwrap_or_default());
    Some(container)
}

/// A container as its `create` event describes it: labels are mixed with the event's own attributes.
pub(super) fn from_event(engine: Engine, actor: &EventActor) -> Option<Container> {
    let mut attributes = actor.attributes.clone().unwrap_or_default();
    let get = |key: &str| attributes.get(key).cloned().unwrap_or_default();
    let (name, image, pod) = (get("name"), get("image"), get("podId"));
    NO_LABELS.iter().for_each(|key| drop(attributes.remove(*key)));
    let mut container = record(engine, actor.id.as_ref()?, &name, &image, attributes)?;
    // The usual name of a pod's infra container. Its inspection tells for sure.
    container.sandbox |= engine == Engine::Podman && name.strip_suffix("-infra").is_some_and(|id| id.len() == 12 && pod.starts_with(id));
    Some(container)
}

/// An inspected container and the process id of its first process, 0 if it does not run.
pub(super) fn from_inspect(engine: Engine, answer: Inspected) -> Option<(Container, u32)> {
    let config = answer.config.unwrap_or_default();
    let labels = config.labels.unwrap_or_default();
    let mut container = record(engine, &answer.id?, &answer.name.unwrap_or_default(), &config.image.unwrap_or_default(), labels)?;
    container.runtime.container_image_id = text(&answer.image.unwrap_or_default());
    let state = answer.state.unwrap_or_default();
    container.runtime.container_started_at = state.started_at.as_deref().and_then(unix_ns).unwrap_or(0);
    let pid = state.pid.filter(|_| state.running == Some(true));
    Some((container, pid.and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0)))
}

fn record(engine: Engine, id: &str, name: &str, image: &str, labels: HashMap<String, String>) -> Option<Container> {
    if !bounds::is_id(id) {
        return None;
    }
    let (annotations, labels): (HashMap<_, _>, HashMap<_, _>) = labels.into_iter().partition(|(key, _)| key.starts_with(ANNOTATION));
    let annotations = annotations.into_iter().map(|(key, value)| (key.trim_start_matches(ANNOTATION).to_owned(), value));
    let (labels, annotations) = (bounds::labels(labels), bounds::labels(annotations));
    let mut container = Container { k8s: KubernetesMeta::from_labels(&labels), labels, annotations, ..Container::default() };
    container.sandbox = Container::is_sandbox(&container.labels);
    if container.sandbox {
        // Its own name in the pod is none of the pod's containers'.
        container.k8s.container_name.clear();
    }
    container.runtime.runtime_name = engine.name().to_owned();
    container.runtime.container_id = id.to_owned();
    container.runtime.container_name = text(name.strip_prefix('/').unwrap_or(name));
    container.runtime.container_image_name = text(image);
    container.sandbox_id = container.labels.get(SANDBOX).cloned().unwrap_or_default();
    Some(container)
}

/// Nanoseconds since the Unix epoch of `2026-11-21T10:26:49.123456789Z`; the engine always writes UTC. `None` for its
/// zero time, the year 1, and for everything else.
pub(super) fn unix_ns(stamp: &str) -> Option<i64> {
    let (date, time) = stamp.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date, '-')?;
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let [hour, minute, second] = numbers(clock, ':')?;
    if !(1970..=2261).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) || fraction.len() > 9 {
        return None;
    }
    let nanos: i64 = format!("{fraction:0<9}").parse().ok()?;
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let parts: Vec<i64> = text.split(separator).map(|p| p.parse::<u16>().ok().map(i64::from)).collect::<Option<_>>()?;
    parts.try_into().ok()
}

/// Days from the epoch to a date of the Gregorian calendar. Years are counted from March, so that a leap day comes last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468
}
