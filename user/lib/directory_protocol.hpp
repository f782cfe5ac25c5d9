// SPDX-License-Identifier: MIT
// What is said to the process directory that init serves: words of abi::Message.
//
//   request   words[0] operation, others its arguments, handles as it says
//   reply     words[0] 0 or an abi::Error's number, others the answer
//
//   operation      arguments                       answer
//   enroll         handle: a process               [1] its id. The sender counts as its parent
//   remove         [1] id                          forgets a process that has ended
//   next           [1] id                          [1] the next higher id, [2] its parent's id,
//                                                  [3..6] its name; not_found after the last
//   state          [1] id                          [1] threads [2] committed [3] anonymous
//                                                  [4] tables [5] faults [6] time [7] exited
//   find           [1] id                          handle: inspect, control
//   own_runs       [1] address                     [1..5] the next abi::Run of init's own map,
//   which
//                                                  no handle reaches; not_found after the last
//   kernel_runs    [1] address                     [1..5] the next abi::Run of the kernel's half;
//                                                  not_found after the last
//   power          [1] abi::Power                  none when the machine obeys
//   boot_time      none                            [1] time-stamp counter at init's first
//                                                  instruction
#pragma once

#include "abi/types.hpp"

#include <cstdint>

namespace user {

enum class DirectoryOperation : std::uint64_t {
    enroll,
    remove,
    next,
    state,
    find,
    own_runs,
    kernel_runs,
    power,
    boot_time,
};

inline constexpr unsigned directory_name_words = abi::name_limit / 8;
static_assert(3 + directory_name_words <= abi::message_words);
static_assert(sizeof(abi::Run) == 5 * 8);

} // namespace user
