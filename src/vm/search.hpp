// SPDX-License-Identifier: MIT
// Hole search: the lowest (or highest) free range of a size and alignment within bounds.
//
//   visit(table)    goes through the slots that its summary can't rule out, in order:
//                     an empty slot, or a table that holds nothing   the run goes on
//                     a table whose promise is large enough          visit it
//                     two neighbours that are free at their border   the run may span it
//   what it steps over needs one word of a bitmap for 32 slots. Only where the run left off, at the
//   end of what was stepped over, is read from the table there.
//
// Promises that it finds wrong it lowers, by the protocol of promise.hpp, those of tables below
// first. It makes no table, and reads no absent one.
#pragma once

#include "vm/free_runs.hpp"

namespace vm {

template <abi::Direction direction>
class Search {
public:
    /// `pages` is not 0; `alignment` a power of two of bytes, at least a page; `within` is not
    /// empty. A dry search takes a promise as a find: it visits no table below the one that it is
    /// given.
    Search(std::uint64_t pages, std::uint64_t alignment, VirtRange within, bool dry = false)
        : pages_(pages), alignment_(alignment), within_(within), dry_(dry),
          run_(up ? within.start : within.end) {}

    /// Looks through what `table` maps beyond where the search stands. True when found.
    bool visit(const TableRef& table);
    /// Start of what was found.
    VirtAddr found() const { return run_; }

private:
    static constexpr bool up = direction == abi::Direction::up;

    /// The slots of an upper table that a search can't rule out, 32 at a time.
    struct Filter {
        const TableDescriptor& table;
        const PromisedSlots& fits; ///< large enough inside, or at its aligned beginning
        bool borders;              ///< runs over borders of slots count too
        unsigned half;             ///< edge class that one side of such a border has at least
        std::uint32_t empty(unsigned word) const;
        std::uint32_t word(unsigned at) const;
    };
    Filter filter(const TableRef& table) const;
    /// The next slot from `at` up to (down to) `last` that can't be ruled out; if none, the one
    /// beyond `last`.
    static int next(const Filter& filter, int at, int last);

    bool visit_leaf(const TableRef& table, unsigned first, unsigned last);
    /// The same for any number of pages and alignment, run by run.
    bool visit_runs(const TableRef& table, unsigned first, unsigned last);
    bool visit_upper(const TableRef& table, unsigned first, unsigned last);
    bool visit_slot(const TableRef& table, unsigned slot);
    /// Slots up to this one were ruled out: only where it ends a run may go on from.
    void step_over(const TableRef& table, const Filter& filter, unsigned slot);

    /// The run goes on to `limit`: does it fit now? Then run_ is where.
    bool extend(VirtAddr limit);
    /// Nothing before `at` counts any more.
    void restart(VirtAddr at) {
        run_ = up ? std::max(at, within_.start) : std::min(at, within_.end);
    }
    VirtAddr near_end(const TableRef& table, unsigned slot) const {
        return table.address_of(slot) + (up ? 0 : level_size(table.level));
    }
    VirtAddr far_end(const TableRef& table, unsigned slot) const {
        return table.address_of(slot) + (up ? level_size(table.level) : 0);
    }
    static VirtAddr further(VirtAddr from, std::uint64_t pages) {
        return up ? from + (pages << page_bits) : from - (pages << page_bits);
    }
    static std::uint64_t near_pages(const TableRef& table) {
        return up ? leading_pages(table) : trailing_pages(table);
    }
    static std::uint64_t far_pages(const TableRef& table) {
        return up ? trailing_pages(table) : leading_pages(table);
    }
    /// All that `table` maps lies within the bounds.
    bool covers(const TableRef& table) const {
        return within_.start <= table.base &&
               level_size(table.level + 1) <= within_.end - table.base;
    }

    const std::uint64_t pages_;
    const std::uint64_t alignment_;
    const VirtRange within_;
    const bool dry_;
    VirtAddr run_; ///< where the free run begins that reaches where the search stands
};

extern template class Search<abi::Direction::up>;
extern template class Search<abi::Direction::down>;

/// After a search for runs of `pages` in vain: makes the table promise fewer, as far as bitmaps and
/// what tables below promise allow.
void lower_promise(const TableRef& table, std::uint64_t pages);
/// Takes out of the table's summary what the table below `slot` doesn't promise any more.
void lower_slot(const TableRef& table, unsigned slot);

} // namespace vm
