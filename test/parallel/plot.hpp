// SPDX-License-Identifier: MIT
// Pages of a space that one CPU uses alone, among those of others, and what they must say.
#pragma once

#include "parallel/workers.hpp"

#include <array>

namespace parallel {

using vm::Access;
using vm::Placement;
using vm::Resolution;

/// Pages that only one CPU uses: so each result is known.
class Plot {
public:
    static constexpr unsigned pages = 24;

    Plot(vm::AddressSpace& space, unsigned cpu, VirtAddr start)
        : space_(space), random_(cpu), start_(start) {}

    /// The same pages in a copy of the space.
    Plot(const Plot& original, vm::AddressSpace& copy)
        : space_(copy), random_(original.random_), start_(original.start_),
          pages_(original.pages_) {}

    /// Reads all pages.
    void check() {
        for (unsigned page = 0; page < pages; ++page) read(page);
    }
    void step() {
        const unsigned first = static_cast<unsigned>(random_.from(0, pages - 1));
        const unsigned count = static_cast<unsigned>(random_.from(1, pages - first));
        switch (random_.from(0, 7)) {
        case 0:
        case 1: return map(first, count);
        case 2: return unmap(first, count);
        case 3: return protect(first, count);
        case 4: return discard(first, count);
        case 5:
        case 6: return write(first);
        default: return read(first);
        }
    }

private:
    struct Page {
        bool mapped = false;
        Access access{};
        std::uint64_t value = 0;
    };

    VirtRange range(unsigned first, unsigned count) const {
        return pages_at(start_ + first * page_size, count);
    }
    template <typename Holds>
    bool all(unsigned first, unsigned count, Holds holds) const {
        for (unsigned page = first; page < first + count; ++page)
            if (!holds(pages_[page])) return false;
        return true;
    }
    static bool is_mapped(const Page& page) { return page.mapped; }

    void map(unsigned first, unsigned count) {
        const auto done = space_.map({.address = range(first, count).start,
                                      .pages = {count},
                                      .placement = Placement::fixed});
        const bool free = all(first, count, [](const Page& page) { return !page.mapped; });
        expect(done.ok() == free, "map");
        for (unsigned page = first; done.ok() && page < first + count; ++page)
            pages_[page] = {true, Access::read_write(), 0};
    }
    void unmap(unsigned first, unsigned count) {
        expect_done(space_.unmap(range(first, count)), "unmap");
        for (unsigned page = first; page < first + count; ++page) pages_[page] = {};
    }
    void protect(unsigned first, unsigned count) {
        const Access access = random_.one_in(3)   ? Access::none()
                              : random_.one_in(2) ? Access::read()
                                                  : Access::read_write();
        const auto done = space_.protect(range(first, count), access);
        expect(done.ok() == all(first, count, is_mapped), "protect");
        for (unsigned page = first; done.ok() && page < first + count; ++page)
            pages_[page].access = access;
    }
    void discard(unsigned first, unsigned count) {
        const auto done = space_.discard(range(first, count));
        expect(done.ok() == all(first, count, is_mapped), "discard");
        for (unsigned page = first; done.ok() && page < first + count; ++page)
            pages_[page].value = 0;
    }
    void write(unsigned at) {
        Page& page = pages_[at];
        const std::uint64_t value = random_.from(1, ~0ULL);
        const Resolution wanted = !page.mapped              ? Resolution::hole
                                  : !page.access.writable() ? Resolution::forbidden
                                                            : Resolution::resolved;
        expect(shim::store_word(space_, range(at, 1).start, value) == wanted, "write");
        if (wanted == Resolution::resolved) page.value = value;
    }
    void read(unsigned at) {
        const Page& page = pages_[at];
        const auto value = shim::load_word(space_, range(at, 1).start);
        expect(value.has_value() == (page.mapped && page.access.readable()), "read");
        expect(!value || *value == page.value, "a page's content");
    }

    vm::AddressSpace& space_;
    Random random_;
    const VirtAddr start_;
    std::array<Page, pages> pages_{};
};

} // namespace parallel
