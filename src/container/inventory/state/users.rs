//! How many containers have a number: where those that change are all, nobody else is concerned.

use super::Slot;
use crate::container::hash::NumberMap;

/// By mount namespace, network namespace and cgroup.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Users([NumberMap<u64, u32>; 3]);

impl Users {
    /// Counts a container by the numbers it has.
    pub fn add(&mut self, slot: &Slot) {
        self.each(slot, |all, number| *all.entry(number).or_default() += 1);
    }

    /// Takes back what [`Users::add`] counted; before the container's numbers change.
    pub fn remove(&mut self, slot: &Slot) {
        self.each(slot, |all, number| {
            if let Some(count) = all.get_mut(&number) {
                *count -= 1;
                if *count == 0 {
                    all.remove(&number);
                }
            }
        });
    }

    /// Whether some container has this mount namespace.
    pub fn have_mntns(&self, mntns: u64) -> bool {
        self.0[0].contains_key(&mntns)
    }

    /// Whether some container has this cgroup.
    pub fn have_cgroup(&self, cgroup: u64) -> bool {
        self.0[2].contains_key(&cgroup)
    }

    /// Whether as many have each of these mount namespaces, network namespaces and cgroups as `others` say.
    pub fn agree(&self, others: &Users, numbers: [&[u64]; 3]) -> bool {
        let mut kinds = self.0.iter().zip(&others.0).zip(numbers);
        kinds.all(|((all, others), numbers)| numbers.iter().all(|number| all.get(number) == others.get(number)))
    }

    fn each(&mut self, slot: &Slot, mut change: impl FnMut(&mut NumberMap<u64, u32>, u64)) {
        let [mntns, netns, cgroups] = &mut self.0;
        let namespaces = std::iter::once(slot.marks.mntns).chain(slot.aliases.iter().copied());
        namespaces.filter(|mntns| *mntns != 0).for_each(|number| change(mntns, number));
        [(netns, slot.marks.netns), (cgroups, slot.marks.cgroup)]
            .into_iter()
            .filter(|(_, number)| *number != 0)
            .for_each(|(all, number)| change(all, number));
    }
}
