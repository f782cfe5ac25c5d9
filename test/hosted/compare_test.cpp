// SPDX-License-Identifier: MIT
// The structures that are compared (test/compare), each under the same random operations against a
// plain array of pages: what is measured must be right first. Seeds: shim/seeds.hpp.
#include "compare/all.hpp"
#include "compare/tabula.hpp"
#include "shim/check.hpp"
#include "shim/seeds.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstdlib>
#include <random>
#include <stdexcept>
#include <vector>

namespace {

using namespace compare;
using vm::Access;

constexpr std::uint64_t part_pages = 96;
/// Around a border of page tables, and around one of all levels.
constexpr std::uint64_t parts[] = {(1ULL << 30) + (2ULL << 20) - part_pages / 2 * page_size,
                                   (1ULL << 39) - part_pages / 2 * page_size};
constexpr std::size_t cells = part_pages * std::size(parts);
constexpr unsigned steps = 150;

VirtAddr address(std::size_t cell) {
    return VirtAddr{parts[cell / part_pages] + cell % part_pages * page_size};
}

struct Cell {
    bool mapped = false;
    Kind kind{};
    bool touched = false;
    std::uint64_t word = 0;
};
using Model = std::array<Cell, cells>;

/// Cells of one part: [first, end).
struct Range {
    std::size_t first;
    std::size_t end;
    std::size_t size() const { return end - first; }
    VirtRange addresses() const { return {address(first), address(end - 1) + page_size}; }
};

Page page_of(const Cell& cell, VirtAddr at) {
    if (!cell.mapped) return {};
    const Kind& kind = cell.kind;
    return {true, kind.access, kind.object, kind.object != 0 ? at.value - kind.base : 0};
}

class Trial {
public:
    Trial(std::string_view name, std::uint64_t seed) : random_(seed), frames_(64ULL << 20) {
        sides_.push_back({make(name, frames_), {}});
    }

    void run() {
        for (step_ = 0; step_ < steps; ++step_) {
            side_ = random_() % sides_.size();
            one();
            for (side_ = 0; side_ < sides_.size(); ++side_) check();
        }
    }
    std::uint64_t frames_left() {
        sides_.clear();
        return frames_.in_use();
    }

private:
    struct Side {
        std::unique_ptr<Map> map;
        Model model;
    };

    void require(bool holds, const char* what) const {
        if (!holds) throw std::runtime_error(std::string(what) + ", step " + std::to_string(step_));
    }
    Map& map() { return *sides_[side_].map; }
    Model& model() { return sides_[side_].model; }

    Range some() {
        const std::size_t start = random_() % std::size(parts) * part_pages;
        const std::size_t first = random_() % part_pages;
        const std::size_t most = random_() % 4 == 0 ? part_pages : 8;
        const std::size_t end = std::min<std::size_t>(part_pages, first + 1 + random_() % most);
        return {start + first, start + end};
    }
    Access some_access() {
        constexpr Access all[] = {Access::none(), Access::read(), Access::read_execute(),
                                  Access::read_write(), Access::read_write()};
        return all[random_() % std::size(all)];
    }
    Kind some_kind(VirtAddr start) {
        Kind kind{.access = some_access()};
        if (random_() % 3 != 0) return kind;
        kind.object = static_cast<std::uint32_t>(1 + random_() % 3);
        kind.is_private = random_() % 2 == 0;
        kind.base = start.value - random_() % 64 * page_size;
        return kind;
    }
    bool any_hole(Range range) {
        for (std::size_t at = range.first; at < range.end; ++at)
            if (!model()[at].mapped) return true;
        return false;
    }
    bool any_mapped(Range range) {
        for (std::size_t at = range.first; at < range.end; ++at)
            if (model()[at].mapped) return true;
        return false;
    }

    void one() {
        const Range range = some();
        switch (random_() % 12) {
        case 0:
        case 1:
        case 2: {
            const Kind kind = some_kind(address(range.first));
            map().map(range.addresses(), kind);
            for (std::size_t at = range.first; at < range.end; ++at) model()[at] = {true, kind};
            break;
        }
        case 3: map_anywhere(range); break;
        case 4:
            map().unmap(range.addresses());
            for (std::size_t at = range.first; at < range.end; ++at) model()[at] = {};
            break;
        case 5:
        case 6: {
            const Access access = some_access();
            const bool done = map().protect(range.addresses(), access);
            require(done != any_hole(range), "protect");
            for (std::size_t at = range.first; done && at < range.end; ++at)
                model()[at].kind.access = access;
            break;
        }
        case 7: {
            const bool done = map().discard(range.addresses());
            require(done != any_hole(range), "discard");
            for (std::size_t at = range.first; done && at < range.end; ++at)
                model()[at].touched = false;
            break;
        }
        case 8: move(range); break;
        case 9: fork(); break;
        default: write(range); break;
        }
    }

    void map_anywhere(Range range) {
        const auto expected = first_fit(range.size(), address(range.first));
        const Kind kind{.access = some_access()};
        const auto at = map().map_anywhere({range.size()}, kind, address(range.first));
        require(at == expected, "map_anywhere");
        // Where the model has no cells nothing stays.
        for (std::size_t page = 0; page < range.size(); ++page) {
            const VirtAddr where = *at + page * page_size;
            if (const auto cell = cell_at(where))
                model()[*cell] = {true, kind};
            else
                map().unmap({where, where + page_size});
        }
    }

    void move(Range from) {
        Range to = some();
        to.end = to.first + from.size();
        if (to.first / part_pages != (to.end - 1) / part_pages || any_hole(from) || any_mapped(to))
            return;
        map().move(from.addresses(), to.addresses());
        const std::uint64_t distance = address(to.first).value - address(from.first).value;
        for (std::size_t at = 0; at < from.size(); ++at) {
            Cell& there = model()[to.first + at];
            there = std::exchange(model()[from.first + at], {});
            if (there.kind.object != 0) there.kind.base += distance;
        }
    }

    void fork() {
        if (sides_.size() == 2) sides_.erase(sides_.begin() + static_cast<std::ptrdiff_t>(side_));
        side_ = 0;
        sides_.push_back({map().fork(), model()});
    }

    void write(Range range) {
        for (std::size_t at = range.first; at < range.end; ++at) {
            Cell& cell = model()[at];
            const bool may = cell.mapped && cell.kind.object == 0 && cell.kind.access.writable();
            require(map().fault(address(at)) == may, "fault");
            if (!may) continue;
            cell.touched = true;
            cell.word = random_();
            *static_cast<std::uint64_t*>(map().memory(address(at))) = cell.word;
        }
    }

    static std::optional<std::size_t> cell_at(VirtAddr page) {
        for (std::size_t part = 0; part < std::size(parts); ++part)
            if (page.value - parts[part] < part_pages * page_size)
                return part * part_pages + (page.value - parts[part]) / page_size;
        return std::nullopt;
    }
    std::optional<VirtAddr> first_fit(std::size_t pages, VirtAddr from) {
        std::uint64_t at = from.value;
        for (std::size_t cell = 0; cell < cells; ++cell) {
            const std::uint64_t start = address(cell).value;
            if (!model()[cell].mapped || start < at) continue;
            if (at + pages * page_size <= start) break;
            at = start + page_size;
        }
        return VirtAddr{at};
    }
    std::optional<VirtAddr> nearest(VirtAddr from, abi::Direction direction) {
        if (direction == abi::Direction::up) {
            for (std::size_t cell = 0; cell < cells; ++cell)
                if (model()[cell].mapped && from < address(cell) + page_size)
                    return std::max(from, address(cell));
        } else {
            for (std::size_t cell = cells; cell-- > 0;)
                if (model()[cell].mapped && address(cell) < from)
                    return std::min(from, address(cell) + page_size);
        }
        return std::nullopt;
    }

    void check() {
        check_listing();
        for (std::size_t at = 0; at < cells; ++at) {
            const Cell& cell = model()[at];
            require(map().lookup(address(at)) == page_of(cell, address(at)), "lookup");
            if (cell.mapped && !cell.kind.access.readable()) continue;
            const void* const memory = map().memory(address(at));
            require((memory != nullptr) == cell.touched, "a page is there or not");
            if (cell.touched)
                require(*static_cast<const std::uint64_t*>(memory) == cell.word, "content");
        }
        for (unsigned n = 0; n < 8; ++n) {
            const VirtAddr from = address(random_() % cells);
            require(map().nearest(from, abi::Direction::up) == nearest(from, abi::Direction::up),
                    "nearest above");
            require(map().nearest(from, abi::Direction::down) ==
                        nearest(from, abi::Direction::down),
                    "nearest below");
            const std::uint64_t pages = 1 + random_() % 50;
            require(map().first_fit({pages}, from) == first_fit(pages, from), "first_fit");
        }
        if (const auto* const tabula = dynamic_cast<TabulaMap*>(&map())) {
            const std::string faults = shim::faults_of(shim::Machine::current(), tabula->space());
            require(faults.empty(), faults.c_str());
        }
    }

    /// What lies side by side and is alike is joined first: who lists pages with and without frames
    /// apart says no more and no less.
    static void join(std::vector<Area>& areas, const Area& next) {
        if (!areas.empty() && areas.back().range.end == next.range.start &&
            areas.back().access == next.access && areas.back().object == next.object &&
            (next.object == 0 || areas.back().offset + areas.back().range.bytes() == next.offset))
            areas.back().range.end = next.range.end;
        else
            areas.push_back(next);
    }
    void check_listing() {
        std::vector<Area> expected;
        for (std::size_t at = 0; at < cells; ++at) {
            const Page page = page_of(model()[at], address(at));
            if (page.mapped)
                join(expected, {{address(at), address(at) + page_size},
                                page.access,
                                page.object,
                                page.offset});
        }
        std::vector<Area> found;
        std::array<Area, 5> some_areas;
        for (VirtAddr from = space_range.start;;) {
            const std::size_t count = map().list(from, some_areas);
            for (const Area& area : std::span(some_areas).first(count)) join(found, area);
            if (count < some_areas.size()) break;
            from = some_areas[count - 1].range.end;
        }
        require(found == expected, "listing");
    }

    std::mt19937_64 random_;
    Frames frames_;
    std::vector<Side> sides_;
    std::size_t side_ = 0;
    unsigned step_ = 0;
};

} // namespace

TEST_CASE("the structures that are compared all do what a plain array says") {
    for (const std::string_view name : names) {
        shim::for_seeds(40, [&](std::uint64_t seed) {
            shim::Machine machine({.zones = {{PhysAddr{0x100000}, PhysAddr{0xa00000}}},
                                   .commit_limit = PageCount{1ULL << 40}});
            Trial trial(name, seed);
            try {
                trial.run();
            } catch (const std::exception& error) {
                FAIL(std::string(name), ", seed ", seed, ": ", std::string(error.what()));
            }
            CHECK(trial.frames_left() == 0);
        });
    }
}
