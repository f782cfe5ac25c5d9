// SPDX-License-Identifier: MIT
// The clock page, which tells user space the time.
#pragma once

namespace arch {

/// Takes its frame, before what is left is promised to anybody.
void make_clock_page();
/// Says in it what the CPUs' clocks have in common. Once, when all of them have their clock_start,
/// before the first process.
void publish_clock();

} // namespace arch
