// SPDX-License-Identifier: MIT
// The lines entered before, as many as fit into the memory given; the oldest go first.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace lib {

/// Lines lie one behind the other, oldest first, each followed by a NUL.
class LineHistory {
public:
    constexpr explicit LineHistory(std::span<char> storage) : storage_(storage) {}

    /// Keeps a line. Empty ones, repetitions of the newest, those with a NUL and those too long
    /// for the storage are not kept.
    void add(std::string_view line);
    std::size_t count() const { return count_; }
    /// A line by age; 0 is the newest. Precondition: age < count(). Valid until the next add().
    std::string_view at(std::size_t age) const;

private:
    std::span<char> storage_;
    std::size_t used_ = 0;
    std::size_t count_ = 0;
};

} // namespace lib
