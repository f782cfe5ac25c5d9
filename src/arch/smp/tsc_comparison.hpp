// SPDX-License-Identifier: MIT
// Time is one clock for all CPUs: a processor's time-stamp counter is compared with the boot CPU's,
// and what it differs by is corrected or counted with.
#pragma once

#include "lib/clock_offset.hpp"

#include <atomic>
#include <cstdint>

namespace arch {

/// The boot CPU asks, the other CPU answers with its counter.
class TscComparison {
public:
    /// On the boot CPU: asks for some milliseconds at most, then lets the other go on. True when it
    /// answered.
    bool ask();

    /// On the other CPU: answers until the boot CPU is done; then sets the counter right where the
    /// processor can (SDM vol. 3B, 17.17.3), and its area's clock_start. Gives up when `stage`
    /// becomes `end`.
    template <typename Stage>
    void answer(const std::atomic<Stage>& stage, Stage end) {
        while (stage.load() != end && answer_one()) {
        }
    }

    /// What was found first; how far it is still off, and counted with, in ticks.
    const lib::ClockOffset& found() const { return found_; }
    std::int64_t counted_with() const { return counted_with_; }

private:
    /// What the boot CPU wants.
    enum class Question : std::uint8_t { none, time, adjust, finish };

    /// Puts a question and waits for its answer; false when none came in time.
    bool put(Question question);
    bool measure(lib::ClockOffset& offset);
    /// Answers a question if there is one; false when it was the last.
    bool answer_one();

    std::atomic<Question> question_{Question::none};
    std::uint64_t answer_ = 0;
    lib::ClockOffset found_{};
    std::int64_t counted_with_ = 0;
};

} // namespace arch
