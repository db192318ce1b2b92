//! What the metadata says about programs that sample CPUs.

use super::{Manifest, Node};

/// The only values there are, by key.
const FIXED: [(&str, &str); 3] = [("perf.type", "software"), ("perf.config", "count_sw_cpu_clock"), ("perf.sampleType", "sample_raw")];
const FREQUENCY: &str = "sampler.frequency";

impl Manifest {
    /// How often a program in section `perf_event/<suffix>` samples each CPU per second.
    ///
    /// # Errors
    /// Which key of `programs.<suffix>` is missing or has an unknown value. All four must be there.
    pub fn sampler(&self, suffix: &str) -> Result<u64, String> {
        let node = self.root.child("programs").and_then(|programs| programs.child(suffix));
        let value = |key: &str| {
            let found = node.and_then(|node| node.get(key)).and_then(Node::text);
            found.ok_or_else(|| format!("the metadata lacks programs.{suffix}.{key}"))
        };
        for (key, only) in FIXED {
            let found = value(key)?;
            if found != only {
                return Err(format!("programs.{suffix}.{key} of the metadata is {found:?}; only {only:?} is supported"));
            }
        }
        let frequency = value(FREQUENCY)?;
        let unusable = || format!("programs.{suffix}.{FREQUENCY} of the metadata is {frequency:?}; it must be a whole number above 0");
        frequency.parse().ok().filter(|hertz| *hertz > 0).ok_or_else(unusable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "programs:\n  Clock:\n    perf: {type: software, config: count_sw_cpu_clock, sampleType: sample_raw}\n    sampler: {frequency: 99}\n";

    /// All four keys are needed, with the values there are.
    #[test]
    fn reads_samplers() {
        let sampler = |text: &str| Manifest::parse(text.as_bytes()).unwrap().sampler("clock");
        assert_eq!(sampler(GOOD), Ok(99));
        for (from, to, about) in [
            ("software", "hardware", "perf.type of the metadata is \"hardware\""),
            (", sampleType: sample_raw", "", "lacks programs.clock.perf.sampleType"),
            ("count_sw_cpu_clock", "count_hw_cpu_cycles", "perf.config"),
            ("frequency: 99", "frequency: 0", "above 0"),
            ("frequency: 99", "frequency: often", "above 0"),
            ("frequency: 99", "period: 99", "lacks programs.clock.sampler.frequency"),
        ] {
            let error = sampler(&GOOD.replace(from, to)).unwrap_err();
            assert!(error.contains(about), "{error}");
        }
    }
}
