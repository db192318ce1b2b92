//! The open gadgets of one Prometheus exporter, and what a scrape sees of them.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::config::Config;
use super::exposition::{Metric, MetricType, merge};
use super::translate;
use crate::component::BindError;
use crate::exporter::series::{Family, SeriesSet};
use crate::kernel::clock;

/// The series of one gadget's data source, shared by its worker and the scrapes.
pub type SharedSet = Arc<Mutex<SeriesSet>>;

struct Open {
    gadget: String,
    source: String,
    metrics: Vec<(String, MetricType)>,
    set: Weak<Mutex<SeriesSet>>,
}

/// Everything that is open, in the order of opening.
pub struct Registry {
    config: Config,
    resource: Arc<Vec<(String, String)>>,
    open: Mutex<Vec<Open>>,
}

impl Registry {
    /// Nothing open yet; `resource` becomes the labels of `target_info`.
    pub fn new(config: Config, resource: Arc<Vec<(String, String)>>) -> Self {
        Registry { config, resource, open: Mutex::default() }
    }

    /// Its settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Adds a set, to be seen until its worker drops it. Of the same gadget and data source the one opened last is seen, so that
    /// a reload's new set takes over from the retiring one.
    ///
    /// # Errors
    /// When a metric has the name of another gadget's metric of a different type.
    pub fn open(&self, gadget: &str, source: &str, set: SeriesSet) -> Result<SharedSet, BindError> {
        let metrics =
            set.families().iter().map(|f| translate::metric(f, source, &self.config)).map(|m| (m.name, m.kind)).collect::<Vec<_>>();
        check_twice(&metrics)?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|o| o.set.strong_count() > 0);
        for other in open.iter().filter(|o| o.gadget != gadget) {
            check_against(&metrics, other)?;
        }
        let set = Arc::new(Mutex::new(set));
        open.push(Open { gadget: gadget.to_owned(), source: source.to_owned(), metrics, set: Arc::downgrade(&set) });
        Ok(set)
    }

    /// All metrics of this moment, each name once.
    pub fn gather(&self) -> Vec<Metric> {
        let mut metrics = vec![self.target_info()];
        let mut series = Metric::new("gadgetry_series", "Series that the metrics of a gadget have", MetricType::Gauge);
        let text = "Rows that went to an overflow series because of the series limit";
        let mut overflow = Metric::new("gadgetry_series_overflow", text, MetricType::Counter);
        for (gadget, source, set) in self.current() {
            let mut set = set.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(expiration) = self.config.expiration() {
                set.expire(clock::unix_now().saturating_sub(u64::try_from(expiration.as_nanos()).unwrap_or(u64::MAX)));
            }
            let labels = [("gadget", gadget.as_str()), ("data_source", source.as_str())];
            series.integer(&labels, set.len() as u64);
            overflow.integer(&labels, set.overflowed());
            let families: Vec<Family> = set.snapshot();
            drop(set);
            metrics.extend(families.iter().filter(|f| !f.points.is_empty()).map(|f| translate::metric(f, &source, &self.config)));
        }
        metrics.extend([series, overflow].into_iter().filter(|m| !m.samples.is_empty()));
        // Between gadgets conflicts were refused at opening; what is left is a gadget whose new version replaces its old one.
        let (metrics, conflicts) = merge(metrics);
        if !conflicts.is_empty() {
            tracing::warn!(metrics = ?conflicts, "one gadget makes metrics of different types under one name, the first is exposed");
        }
        metrics
    }

    fn current(&self) -> Vec<(String, String, SharedSet)> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut current: Vec<(String, String, SharedSet)> = Vec::new();
        for (o, set) in open.iter().rev().filter_map(|o| Some((o, o.set.upgrade()?))) {
            if !current.iter().any(|(gadget, source, _)| *gadget == o.gadget && *source == o.source) {
                current.push((o.gadget.clone(), o.source.clone(), set));
            }
        }
        current.reverse();
        current
    }

    fn target_info(&self) -> Metric {
        let mut metric = Metric::new("target_info", "Resource attributes of the collector", MetricType::Gauge);
        metric.samples.push(translate::target_info(&self.resource));
        metric
    }
}

fn check_twice(metrics: &[(String, MetricType)]) -> Result<(), BindError> {
    for (i, (name, _)) in metrics.iter().enumerate() {
        if metrics.iter().skip(i + 1).any(|(other, _)| other == name) {
            return Err(BindError::Invalid(format!("two metrics come to the same Prometheus name {name:?}")));
        }
    }
    Ok(())
}

fn check_against(metrics: &[(String, MetricType)], other: &Open) -> Result<(), BindError> {
    for (name, kind) in metrics {
        let Some((_, there)) = other.metrics.iter().find(|(n, _)| n == name) else { continue };
        if there != kind {
            let message =
                format!("metric {name:?} is a {kind:?} here and a {there:?} in gadget {:?}: one of them needs another name", other.gadget);
            return Err(BindError::Invalid(message.to_lowercase()));
        }
    }
    Ok(())
}
