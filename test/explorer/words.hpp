// SPDX-License-Identifier: MIT
// The shared words of a scenario: which CPUs use them, and what stood there before a run.
#pragma once

#include "explorer/schedule.hpp"

#include <cstdint>
#include <vector>

namespace explorer {

class Words {
public:
    struct Word {
        std::uintptr_t address = 0;
        std::uint32_t saved_in = 0; ///< the run in which its value was saved
        std::uint8_t readers = 0;   ///< CPUs, a bit each; of all runs
        std::uint8_t writers = 0;
        bool visible = false; ///< several CPUs use it, and one of them writes
    };

    Words();

    /// A run begins.
    void begin();
    /// A CPU is about to do this. Whether another CPU's steps may depend on it.
    bool note(unsigned cpu, const MemoryAccess& access);
    /// The words will be written: keeps what stands there, for `undo`.
    void save(const MemoryAccess& access);
    /// Puts all words back that were written since `begin`.
    void undo();
    /// Makes those words visible of which runs have shown that they are common. Between runs.
    /// False if there is no new one.
    bool reveal();
    std::size_t visible() const { return visible_; }
    /// Tells states after runs from each other: words that were written, and their values now.
    std::uint64_t changes() const;
    /// Written since `begin`.
    bool written(std::uintptr_t address);

private:
    struct Saved {
        std::uintptr_t address;
        std::size_t bytes;
        std::uint64_t value; ///< of a page: where its copy stands in pages_
    };
    Word& of(std::uintptr_t address);
    void grow();

    std::vector<Word> table_;
    std::size_t used_ = 0;
    std::size_t visible_ = 0;
    std::uint32_t run_ = 0;
    std::vector<Saved> saved_;
    std::vector<std::byte> pages_;
};

} // namespace explorer
