//! One suite for every connector.
//!
//! A connector's tests implement [`Site`] and call [`check_connector`]; the scenarios are in `links` and
//! `messages`. No scenario sleeps: each waits for events, with a timeout.

mod links;
mod member;
mod messages;
mod site;

pub use member::{Log, Member, exchange, link};
pub use site::{Site, Started};

/// Runs every scenario, each at a site of its own. The name of each is printed on standard error, so the last
/// one is the failed one.
pub fn check_connector<S: Site>(make: impl Fn() -> S) {
    for (name, scenario) in scenarios() {
        eprintln!("scenario: {name}");
        scenario(&make());
    }
}

type Scenario<S> = (&'static str, fn(&S));

fn scenarios<S: Site>() -> [Scenario<S>; 16] {
    [
        ("a dial links both sides with proven ids", links::a_dial_links_both_sides),
        ("a dial of a linked peer makes no second link", links::a_dial_of_a_linked_peer_makes_no_second_link),
        ("dials from both ends at once make one link", links::dials_from_both_ends_make_one_link),
        ("a dial to oneself fails", links::a_dial_to_oneself_fails),
        ("a dial that finds another member fails", links::a_dial_that_finds_another_fails),
        ("a dial to nowhere fails", links::a_dial_to_nowhere_fails),
        ("a close tells both sides why", links::a_close_tells_both_sides_why),
        ("after a close either side may dial at once", links::after_a_close_either_side_may_dial),
        ("a restart takes the old link down first", links::a_restart_takes_the_old_link_down_first),
        ("a stop is final and idempotent", links::a_stop_is_final),
        ("each lane keeps its order", messages::each_lane_keeps_its_order),
        ("messages at the limits arrive", messages::messages_at_the_limits_arrive),
        ("a message beyond its limit is refused", messages::a_message_beyond_its_limit_is_refused),
        ("a slow receiver holds its sender back", messages::a_slow_receiver_holds_its_sender_back),
        ("a small message overtakes bulk", messages::a_small_message_overtakes_bulk),
        ("without a link nothing is sent", messages::without_a_link_nothing_is_sent),
    ]
}
