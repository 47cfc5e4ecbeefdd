//! The middle of several measurements, and how far they lie apart.

/// What several measurements of one thing say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Summary {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) greatest: f64,
}

/// The summary of `values`; none of none.
pub(super) fn summary(values: impl IntoIterator<Item = f64>) -> Option<Summary> {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let (least, greatest) = (*sorted.first()?, *sorted.last()?);
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = sorted.get((sorted.len() - 1) / 2)?;
    Some(Summary {
        median: f64::midpoint(*lower, *upper),
        least,
        greatest,
    })
}

/// `ours` by `other`, round by round: both were measured within seconds of each other, so that what else the
/// machine did at that time is in both. A round that one of them failed in has none.
pub(super) fn ratios(ours: &[Option<f64>], other: &[Option<f64>]) -> Vec<Option<f64>> {
    let rounds = ours.iter().zip(other);
    let ratio = |(ours, other): (&Option<f64>, &Option<f64>)| Some((*ours)? / (*other)?);
    rounds.map(ratio).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_middle_ones() {
        assert_eq!(summary([3.0, 1.0, 2.0]).unwrap().median, 2.0);
        assert_eq!(summary([4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
        assert_eq!(summary([7.0]).unwrap().median, 7.0);
    }

    #[test]
    fn the_spread_is_from_the_least_to_the_greatest() {
        let summary = summary([3.0, 1.0, 2.0]).unwrap();
        assert_eq!((summary.least, summary.greatest), (1.0, 3.0));
    }

    #[test]
    fn nothing_has_no_summary() {
        assert_eq!(summary([]), None);
    }

    #[test]
    fn a_ratio_is_of_one_round_and_a_failed_round_has_none() {
        let ours = [Some(2.0), Some(9.0), None];
        let other = [Some(1.0), Some(3.0), Some(5.0)];
        assert_eq!(ratios(&ours, &other), [Some(2.0), Some(3.0), None]);
        assert_eq!(ratios(&ours, &[None; 3]), [None; 3]);
    }
}
