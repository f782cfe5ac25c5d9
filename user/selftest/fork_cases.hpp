// SPDX-License-Identifier: MIT
// The tests of the fork suite, by file, and what they share: work in a copy of this process.
#pragma once

#include "user/lib/fork.hpp"
#include "user/selftest/framework.hpp"

namespace selftest {

/// Starts a copy that does `work`, whose expectations count as this test's once its status is
/// expected to be 0.
template <typename Work>
Result<user::OwnedHandle> start_copy(Work&& work) {
    return user::fork_to([&] {
        work();
        return has_failed() ? user::status_failure : user::status_success;
    });
}

/// Does `work` in a copy to its end.
template <typename Work>
void in_copy(Work&& work, Place place = {}) {
    const auto child = start_copy(work);
    if (!expect_ok(child, "fork", place)) return;
    expect_equal(user::process_wait(child->get()).value_or(-100), user::status_success,
                 "the copy's status", place);
}

// fork_states_test.cpp: states of memory.
void states_are_kept();
void parked_memory_comes_back();
void huge_pages_are_shared();
void windows_stay_their_owners();
void changes_in_the_copy_stay_there();
void changes_in_the_parent_stay_there();

// fork_registers_test.cpp: the calling thread's registers.
void registers_are_kept();
void vector_registers_are_kept();
void segment_bases_are_kept();

// fork_threads_test.cpp: threads, and what they hold.
void only_the_caller_survives();
void the_runtime_is_whole();
void upcalls_are_kept();
void handles_are_kept();
void calls_to_answer_are_not();
void a_copy_spawns();
void four_at_once();
void while_others_change_the_map();

/// What children of theirs tell by a notification: a copy was made, or refused.
inline constexpr std::uint64_t forked = 1;
inline constexpr std::uint64_t refused = 2;

// fork_limits_test.cpp: limits, and that nothing is left.
void promised_and_unpromised_memory();
void at_the_handle_limit();
void thousand_generations();
void bomb_in_a_quota();
void killed_while_forking();

} // namespace selftest
