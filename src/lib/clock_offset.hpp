// SPDX-License-Identifier: MIT
// How far one counter is ahead of another, by questions and answers.
#pragma once

#include <cstdint>

namespace lib {

/// One question: when it was asked and when the answer was there, by the asker's counter, and in
/// between the other's counter.
struct ClockExchange {
    std::uint64_t asked = 0;
    std::uint64_t answered = 0;
    std::uint64_t returned = 0;
};

/// The quickest exchange tells most: the answer was given somewhere between question and return.
class ClockOffset {
public:
    constexpr void add(const ClockExchange& exchange) {
        const std::uint64_t length = exchange.returned - exchange.asked;
        if (length >= length_) return;
        length_ = length;
        const std::uint64_t middle = exchange.asked + length / 2;
        ahead_ = static_cast<std::int64_t>(exchange.answered - middle);
    }
    /// Ticks by which the other counter is ahead (behind, if negative), give or take uncertainty().
    constexpr std::int64_t ahead() const { return ahead_; }
    constexpr std::uint64_t uncertainty() const { return length_ - length_ / 2; }
    /// Whether the counters surely differ.
    constexpr bool differ() const {
        const auto ahead = static_cast<std::uint64_t>(ahead_);
        return (ahead_ < 0 ? 0 - ahead : ahead) > uncertainty();
    }

private:
    std::uint64_t length_ = ~0ULL;
    std::int64_t ahead_ = 0;
};

} // namespace lib
