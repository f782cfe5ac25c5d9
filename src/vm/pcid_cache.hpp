// SPDX-License-Identifier: MIT
// What one CPU keeps cached of spaces that it left.
#pragma once

#include <array>
#include <cstdint>

namespace vm {

/// One CPU's process-context identifiers (PCIDs; SDM vol. 3A, 4.10.1), which tag what it caches,
/// and the space that each one stands for. Every CPU gives its own, so a change asks nobody about
/// them:
///
///   PCID     0      1      2     …    7
///   space    the    17     4          -       Translations::number, never given twice
///            kernel
///   changes  -      301    12         -       those up to this one are flushed here
///
/// A space that comes back finds what it left if its PCID still is its own and nothing was changed
/// meanwhile; else its first load flushes. A space that ended is never asked for again, so what is
/// cached of it is never used, and goes when its PCID gets another.
class PcidCache {
public:
    /// A few are enough: how many spaces take turns on a CPU while its TLB still holds them all?
    static constexpr unsigned count = 8;

    struct Entered {
        unsigned pcid;
        bool kept;      ///< else all cached under the PCID must be flushed by the load
        bool user_kept; ///< the same of user mode's root, where that is another; implies `kept`
    };
    /// The CPU leaves the space that it runs, for the one with that number, the kernel's own being
    /// 0. `changes`: Translations::generation, read after the CPU joined `running`; 0 for the
    /// kernel's space, whose flushes reach every CPU. `owes`: user mode's root of the space that is
    /// left was not flushed yet as it should have been.
    Entered enter(std::uint64_t number, std::uint64_t changes, bool owes) {
        spaces_[running_].owes = owes;
        running_ = find(number);
        Space& space = spaces_[running_];
        const bool kept = space.number == number && space.valid && space.changes == changes;
        const Entered entered{running_, kept, kept && !space.owes};
        space = {.number = number, .changes = changes, .valid = true};
        return entered;
    }
    /// The range that change number `change` of the running space touched was flushed. Changes that
    /// come out of turn are flushed as well, but not counted: the next `enter` flushes once more.
    void flushed(std::uint64_t change) {
        Space& space = spaces_[running_];
        if (change == space.changes + 1) space.changes = change;
    }
    /// What is cached under the other PCIDs may not be used any more: something of the kernel's
    /// half changed that INVLPG reaches under the running one only.
    void forget_others() {
        for (unsigned pcid = 0; pcid < count; ++pcid)
            if (pcid != running_) spaces_[pcid].valid = false;
    }

private:
    struct Space {
        std::uint64_t number = 0;
        std::uint64_t changes = 0;
        bool valid = false;
        bool owes = false;
    };
    /// The PCID of the space with that number: what it has, else the one that was given longest
    /// ago.
    unsigned find(std::uint64_t number) {
        for (unsigned pcid = 0; pcid < count; ++pcid)
            if (spaces_[pcid].number == number) return pcid;
        next_ = next_ % (count - 1) + 1;
        return next_;
    }

    std::array<Space, count> spaces_{}; // number 0 is found at PCID 0: that stays the kernel's
    unsigned running_ = 0;
    unsigned next_ = 0;
};

} // namespace vm
