//! The scenarios of owned shards in the simulated world: one file per topic, one test per scenario, named by
//! its number.

mod budget;
mod chaos;
mod clocks;
mod common;
mod cost;
mod crashes;
mod determinism;
mod expiry;
mod faults;
mod limits;
mod linking;
mod listers;
mod membership;
mod parting;
mod recovery;
mod restamps;
mod rewound;
mod roles;
mod terms;
mod topologies;
mod transfers;
mod trees;
mod twins;
mod two_processes;
mod violators;
mod voids;
mod writes;
