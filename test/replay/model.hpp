// SPDX-License-Identifier: MIT
// What the map should be after each operation of a trace: ranges in a sorted map, and the pages
// that were touched with the word that each begins with. Nothing of it is the map's own code.
#pragma once

#include "lib/address.hpp"
#include "vm/access.hpp"

#include <limits>
#include <map>
#include <string>
#include <vector>

namespace replay {

class Model {
public:
    static constexpr std::size_t no_object = std::numeric_limits<std::size_t>::max();

    /// What a range is. An object's byte `address - base` stands at an address.
    struct Kind {
        vm::Access access{};
        std::size_t object = no_object;
        std::uint64_t base = 0;
        bool is_private = true;
        bool noreserve = false;
    };
    struct Segment {
        VirtRange range;
        Kind kind;
    };

    void map(VirtRange range, const Kind& kind);
    void unmap(VirtRange range);
    /// The parts of a range that are mapped, each of one kind, in order.
    std::vector<Segment> parts(VirtRange range) const;
    /// The same, with neighbours joined whatever they are.
    std::vector<VirtRange> mapped(VirtRange range) const;
    bool covers(VirtRange range) const;
    void protect(VirtRange range, vm::Access access);
    /// Private pages read as new.
    void discard(VirtRange range);
    /// The mapped range from `from` becomes one at `to`, of another length perhaps; what is longer
    /// is more of its end. Nothing else is mapped there, or it is the same place.
    void move(VirtRange from, VirtRange to);

    /// The word that a mapped page begins with.
    std::uint64_t word(VirtAddr page) const;
    /// A write of it; the page was touched.
    void write(VirtAddr page, std::uint64_t value);
    /// A read: from now on `touched` names it.
    void read(VirtAddr page) { touched_.try_emplace(page.value, false, 0); }
    /// Whether a page holds what was written to it, in a private range.
    bool is_own(VirtAddr page) const;
    /// Mapped pages in the range that were touched, in order.
    std::vector<VirtAddr> touched(VirtRange range) const;

    /// What a page of an object begins with that nobody wrote; shared memory without a pager: 0.
    std::uint64_t first_word(std::size_t object, std::uint64_t index) const;
    /// A new object. `paged`: else it is memory, zeros.
    std::size_t add_object(bool paged);

    std::size_t segments() const { return segments_.size(); }

private:
    struct Held {
        std::uint64_t end;
        Kind kind;
    };
    struct Page {
        bool own; ///< written in a private range
        std::uint64_t value;
    };
    struct Object {
        bool paged;
        std::map<std::uint64_t, std::uint64_t> written;
    };
    /// Makes a segment begin at the address, if one covers it.
    void split(std::uint64_t at);
    void forget(VirtRange range);

    std::map<std::uint64_t, Held> segments_; ///< by start
    std::map<std::uint64_t, Page> touched_;
    std::vector<Object> objects_;
};

/// "start-end rights …", for messages.
std::string describe(VirtRange range);

} // namespace replay
