// SPDX-License-Identifier: MIT
// Random maps, writes, forks, moves, remaps and shares of three spaces against plain arrays of
// pages, which say which memory each page is.
#include "shim/check.hpp"
#include "shim/objects.hpp"
#include "shim/seeds.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <vector>

namespace {

using namespace vm;
using shim::Machine;
using shim::Operation;
using shim::Space;

constexpr std::uint64_t pages = 5 * 512;
// Over a border between tables of the third level, and not from the beginning of a page table.
constexpr VirtAddr base{(1ULL << 30) - (1ULL << 21) - 7 * page_size};

/// Which memory a page is: page `index` of `memory`; a space's own, or an object's.
struct Cell {
    unsigned memory = 0; ///< 0: nothing is mapped
    std::uint64_t index = 0;
    bool own = false;
    Access access{};
    Ceiling ceiling = Ceiling::all();
};
using Map = std::array<Cell, pages>;

class World {
public:
    explicit World(unsigned seed) : random_(seed) {
        for (unsigned at = 0; at < 3; ++at) {
            spaces_[at] = std::make_unique<Space>(machine_);
            maps_[at] = std::make_unique<Map>();
        }
    }
    void step() {
        switch (below(11)) {
        case 0:
        case 1: return map();
        case 2: return unmap();
        case 3:
        case 4: return write_some();
        case 5: return protect();
        case 6: return fork();
        case 7:
        case 8: return give(false);
        case 9: return give(true);
        case 10: return resize();
        }
    }
    void check(bool all) {
        for (unsigned at = 0; at < 3; ++at) {
            shim::set_cpu(at);
            REQUIRE(shim::faults_of(machine_, **spaces_[at]) == "");
            if (all)
                for (std::uint64_t page = 0; page < pages; ++page) check_page(at, page);
            else
                for (unsigned some = 0; some < 24; ++some) check_page(at, below(pages));
        }
    }
    void end() {
        check(true);
        shim::set_cpu(0);
        for (auto& space : spaces_) space.reset();
        const shim::Totals after = shim::Totals::now();
        // What the kernel's heap took it keeps.
        CHECK(committed() == kernel_space().account().charged());
        for (const FrameKind kind : {FrameKind::anonymous, FrameKind::cache})
            CHECK(after.by_kind[static_cast<unsigned>(kind)] == 0);
    }

private:
    std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
    /// Each space runs on a CPU of its own.
    unsigned some_space() {
        const unsigned at = static_cast<unsigned>(below(3));
        shim::set_cpu(at);
        return at;
    }
    VirtAddr address(std::uint64_t page) const { return base + page * page_size; }
    VirtRange range(std::uint64_t first, std::uint64_t count) const {
        return {address(first), address(first + count)};
    }
    struct Part {
        std::uint64_t first, count;
    };
    Part some_part() {
        const std::uint64_t first = below(pages);
        const std::uint64_t most = below(3) == 0 ? pages : below(2) == 0 ? 700 : 20;
        if (below(4) != 0) return {first, 1 + below(std::min(most, pages - first))};
        // Whole page tables.
        const std::uint64_t tables = 1 + below(3);
        return {7 + 512 * below(4 - tables + 1), 512 * tables};
    }
    /// A part that is mapped from its beginning to its end.
    Part mapped_part(const Map& map) {
        for (unsigned tries = 0; tries < 20; ++tries) {
            Part part = some_part();
            std::uint64_t count = 0;
            while (count < part.count && map[part.first + count].memory != 0) ++count;
            if (count != 0) return {part.first, count};
        }
        return {0, 0};
    }

    void map() {
        const unsigned at = some_space();
        const Part part = some_part();
        const bool huge = below(3) == 0;
        REQUIRE((*spaces_[at])
                    ->map({.address = address(part.first),
                           .pages = {part.count},
                           .placement = Placement::replace,
                           .access = Access::read_write(),
                           .noreserve = below(3) == 0,
                           .huge = huge})
                    .ok());
        ++memories_;
        for (std::uint64_t page = 0; page < part.count; ++page)
            (*maps_[at])[part.first + page] = {memories_, page, true, Access::read_write(),
                                               Ceiling::all()};
    }
    void unmap() {
        const unsigned at = some_space();
        const Part part = some_part();
        REQUIRE((*spaces_[at])->unmap(range(part.first, part.count)).ok());
        for (std::uint64_t page = 0; page < part.count; ++page)
            (*maps_[at])[part.first + page] = {};
    }
    void write_some() {
        const unsigned at = some_space();
        const Part part = some_part();
        const std::uint64_t count = std::min<std::uint64_t>(part.count, 40);
        for (std::uint64_t page = part.first; page < part.first + count; ++page) {
            const Cell& cell = (*maps_[at])[page];
            const bool may = cell.memory != 0 && cell.access.writable() && exists(cell);
            const std::uint64_t value = random_();
            REQUIRE((machine_.write_word(**spaces_[at], address(page), value) ==
                     Resolution::resolved) == may);
            if (may) values_[{cell.memory, cell.index}] = value;
        }
    }
    void protect() {
        const unsigned at = some_space();
        Map& map = *maps_[at];
        const Part part = mapped_part(map);
        if (part.count == 0) return;
        const Access access = below(3) == 0   ? Access::none()
                              : below(2) == 0 ? Access::read()
                                              : Access::read_write();
        bool allowed = true;
        for (std::uint64_t page = 0; page < part.count; ++page)
            allowed &= map[part.first + page].ceiling.allows(access);
        const auto done = (*spaces_[at])->protect(range(part.first, part.count), access);
        REQUIRE(done.ok() == allowed);
        for (std::uint64_t page = 0; page < part.count && allowed; ++page)
            map[part.first + page].access = access;
    }
    void fork() {
        const unsigned from = some_space();
        const unsigned to = static_cast<unsigned>((from + 1 + below(2)) % 3);
        spaces_[to].reset();
        spaces_[to] = std::make_unique<Space>(machine_, **spaces_[from]);
        *maps_[to] = *maps_[from];
        std::map<unsigned, unsigned> copies;
        for (Cell& cell : *maps_[to]) {
            if (cell.memory == 0 || !cell.own) continue;
            unsigned& copy = copies[cell.memory];
            if (copy == 0) copy = ++memories_;
            if (const auto value = values_.find({cell.memory, cell.index}); value != values_.end())
                values_[{copy, cell.index}] = value->second;
            cell.memory = copy;
        }
    }
    static Cell limited(Cell cell, Ceiling most) {
        cell.ceiling = Ceiling::from_bits(cell.ceiling.bits() & most.bits());
        const unsigned left = cell.access.bits() & most.bits();
        cell.access = *Access::make(left);
        return cell;
    }
    /// A move or a share, in one space or to another one.
    void give(bool share) {
        const unsigned from = some_space();
        const unsigned to = static_cast<unsigned>(below(3));
        const Part part = mapped_part(*maps_[from]);
        if (part.count == 0) return;
        const std::uint64_t place = below(pages - part.count + 1);
        const bool overlaps =
            from == to && place < part.first + part.count && part.first < place + part.count;
        const Ceiling most = below(3) == 0 ? Ceiling::of(Access::read()) : Ceiling::all();
        const bool replace = below(2) == 0;
        bool free = true;
        for (std::uint64_t page = 0; page < part.count; ++page)
            free &= (*maps_[to])[place + page].memory == 0;
        const TransferRequest request{.from = range(part.first, part.count),
                                      .address = address(place),
                                      .placement = replace ? Placement::replace : Placement::fixed,
                                      .most = most};
        AddressSpace& source = **spaces_[from];
        AddressSpace& target = **spaces_[to];
        const auto done =
            share ? source.share_with(target, request, {}) : source.move_to(target, request);
        if (overlaps) {
            REQUIRE(done.error() == Error::invalid_argument);
            return;
        }
        Map& here = *maps_[from];
        Map& there = *maps_[to];
        if (share) note_object(here, part);
        if (!free && !replace) {
            REQUIRE(done.error() == Error::already_mapped);
            return;
        }
        REQUIRE(done.ok());
        for (std::uint64_t page = 0; page < part.count; ++page) {
            Cell& cell = here[part.first + page];
            there[place + page] = limited(cell, most);
            if (!share) cell = {};
        }
    }
    /// What was the space's own became an object, if anything was.
    void note_object(Map& map, Part part) {
        bool any = false;
        for (std::uint64_t page = 0; page < part.count; ++page) {
            Cell& cell = map[part.first + page];
            if (!cell.own) continue;
            if (!any) lengths_[++memories_] = part.count;
            any = true;
            if (const auto value = values_.find({cell.memory, cell.index}); value != values_.end())
                values_[{memories_, page}] = value->second;
            cell = {memories_, page, false, cell.access, cell.ceiling};
        }
    }
    /// A remap to another length.
    void resize() {
        const unsigned at = some_space();
        Map& map = *maps_[at];
        const Part part = mapped_part(map);
        if (part.count == 0) return;
        const std::uint64_t count = 1 + below(std::min<std::uint64_t>(2 * part.count, pages));
        const std::uint64_t place = below(pages - count + 1);
        const bool overlaps = place < part.first + part.count && part.first < place + count;
        if (overlaps) return;
        const auto done = (*spaces_[at])
                              ->remap({.from = range(part.first, part.count),
                                       .address = address(place),
                                       .placement = Placement::replace},
                                      {count});
        REQUIRE(done.ok());
        const unsigned fresh = ++memories_;
        for (std::uint64_t page = 0; page < count; ++page) {
            if (page < part.count) {
                map[place + page] = map[part.first + page];
                continue;
            }
            Cell more = map[place + page - 1];
            more.index += 1;
            if (more.own) more = {fresh, page, true, more.access, more.ceiling};
            map[place + page] = more;
        }
        for (std::uint64_t page = 0; page < part.count; ++page) map[part.first + page] = {};
    }

    bool exists(const Cell& cell) const {
        return cell.own || cell.index < lengths_.at(cell.memory);
    }
    void check_page(unsigned at, std::uint64_t page) {
        const Cell& cell = (*maps_[at])[page];
        const auto touched = machine_.touch(**spaces_[at], address(page), Operation::read);
        CAPTURE(at);
        CAPTURE(page);
        if (cell.memory == 0) {
            REQUIRE(touched.resolution == Resolution::hole);
        } else if (!cell.access.readable()) {
            REQUIRE(touched.resolution == Resolution::forbidden);
        } else if (!exists(cell)) {
            REQUIRE(touched.resolution == Resolution::beyond_end);
        } else {
            REQUIRE(touched.resolution == Resolution::resolved);
            const auto value = values_.find({cell.memory, cell.index});
            REQUIRE(machine_.read_word(**spaces_[at], address(page)) ==
                    (value == values_.end() ? 0 : value->second));
        }
    }

    Machine machine_{
        shim::MachineOptions{.zones = {{PhysAddr{1ULL << 20}, PhysAddr{512ULL << 20}}}, .cpus = 3}};
    std::mt19937_64 random_;
    std::array<std::unique_ptr<Space>, 3> spaces_;
    std::array<std::unique_ptr<Map>, 3> maps_;
    unsigned memories_ = 0;
    std::map<std::pair<unsigned, std::uint64_t>, std::uint64_t> values_;
    std::map<unsigned, std::uint64_t> lengths_; ///< of objects, in pages
};

} // namespace

TEST_CASE("spaces that give memory to one another are what plain arrays say") {
    shim::for_seeds(30, [](std::uint64_t seed) {
        CAPTURE(seed);
        World world(static_cast<unsigned>(seed));
        for (unsigned step = 0; step < 60; ++step) {
            CAPTURE(step);
            world.step();
            world.check(false);
        }
        world.end();
    });
}
