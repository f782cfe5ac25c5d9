// SPDX-License-Identifier: MIT
// Crews: threads that do the same at once, on as many processors as there are.
#pragma once

#include "user/lib/thread.hpp"
#include "user/selftest/framework.hpp"

#include <array>
#include <atomic>
#include <optional>

namespace selftest {

/// As many as there are processors, but 2 to 8.
unsigned crew_size();

/// What stress does, times the number after `--rounds`: so many rounds.
unsigned stress_rounds(unsigned number);
void set_stress_factor(unsigned factor);

/// Waits for other threads without the clock: so the same amount of work is the same run.
template <typename Condition>
void wait_until(Condition condition) {
    for (unsigned spins = 0; !condition(); ++spins) {
        if (spins % 64 == 63) {
            user::yield();
        } else {
            asm volatile("pause");
        }
    }
}

/// Runs work(number) in so many threads, numbered from 0, the caller's among them, and waits for
/// all. They begin together. False if some could not be started: then none has worked.
template <typename Work>
bool run_crew(unsigned count, Work& work) {
    struct Member {
        Work& work;
        std::atomic<int>& go; ///< 0: wait, 1: begin, -1: don't
        unsigned number;
        void operator()() {
            wait_until([&] { return go.load() != 0; });
            if (go.load() > 0) work(number);
        }
    };
    constexpr unsigned most = 8;
    std::atomic<int> go{0};
    std::array<std::optional<Member>, most> members;
    std::array<std::optional<user::Thread>, most> threads;
    bool all = count <= most;
    for (unsigned i = 1; all && i < count; ++i) {
        members[i].emplace(Member{work, go, i});
        auto thread = user::Thread::start(*members[i]);
        all = expect_ok(thread, "a crew's thread");
        if (all) threads[i].emplace(std::move(*thread));
    }
    go.store(all ? 1 : -1);
    if (all) work(0U);
    for (auto& thread : threads)
        if (thread) (void)thread->join();
    return all;
}

/// A cheap sequence of numbers for each thread, the same in each run.
class Sequence {
public:
    explicit Sequence(std::uint64_t seed) : state_(seed * 0x9e37'79b9'7f4a'7c15 + 1) {}
    /// Below `end`.
    std::uint64_t below(std::uint64_t end) {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return (state_ >> 16) % end;
    }

private:
    std::uint64_t state_;
};

} // namespace selftest
