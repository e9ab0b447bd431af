//! [`GuestIds`]: the numbers of metrics and queues in an image, and the host's own.
//!
//! A trial must leave no trace, so it defines no metric and registers no queue. The guest gets a number of the image instead. Each
//! VM that begins from the image has the host's numbers beside it.

/// Set in every number of an image. The host's own numbers count up from zero and never come this far.
const MARK: u32 = 1 << 30;

/// The number of the image's entry at `index`.
pub(super) fn image_id(index: usize) -> Option<u32> {
    u32::try_from(index)
        .ok()
        .filter(|index| *index < MARK)
        .map(|index| index | MARK)
}

/// The index of the image's entry with this number.
pub(super) fn index_of(id: u32) -> Option<usize> {
    (id & MARK != 0).then_some((id & !MARK) as usize)
}

/// The host's numbers of an image's entries. Without an image every number is the host's.
#[derive(Debug, Default)]
pub(crate) struct GuestIds {
    metrics: Vec<u32>,
    queues: Vec<u32>,
}

impl GuestIds {
    /// The host's numbers, in the order of the image's.
    pub(crate) fn new(metrics: Vec<u32>, queues: Vec<u32>) -> Self {
        Self { metrics, queues }
    }

    /// The host's number of the image's metric at `index`.
    pub(crate) fn host_metric(&self, index: usize) -> u32 {
        self.metrics.get(index).copied().unwrap_or(u32::MAX)
    }

    /// The host's number of a metric.
    pub(crate) fn metric(&self, id: u32) -> u32 {
        to_host(&self.metrics, id)
    }

    /// The host's number of a queue.
    pub(crate) fn queue(&self, id: u32) -> u32 {
        to_host(&self.queues, id)
    }

    /// The guest's number of a metric: that of the image, if the image has it.
    pub(crate) fn guest_metric(&self, id: u32) -> u32 {
        to_guest(&self.metrics, id)
    }

    /// The guest's number of a queue: that of the image, if the image has it.
    pub(crate) fn guest_queue(&self, id: u32) -> u32 {
        to_guest(&self.queues, id)
    }
}

fn to_host(ids: &[u32], id: u32) -> u32 {
    index_of(id).and_then(|index| ids.get(index).copied()).unwrap_or(id)
}

fn to_guest(ids: &[u32], id: u32) -> u32 {
    let index = ids.iter().position(|known| *known == id);
    index.and_then(image_id).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_images_number_is_the_hosts_and_other_numbers_stay() {
        let ids = GuestIds::new(vec![7, 9], vec![7]);
        let (first, second) = (image_id(0).unwrap(), image_id(1).unwrap());
        assert_eq!([ids.metric(first), ids.metric(second), ids.queue(first)], [7, 9, 7]);
        assert_eq!(
            [
                ids.guest_metric(7),
                ids.guest_metric(9),
                ids.guest_metric(8),
                ids.guest_queue(9)
            ],
            [first, second, 8, 9]
        );
        for id in [0, 8, u32::MAX, image_id(2).unwrap()] {
            assert_eq!(ids.metric(id), id, "no entry of the image");
        }
    }
}
