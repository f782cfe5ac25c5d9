// SPDX-License-Identifier: MIT
// Random operations on objects in several spaces, which fork, against plain arrays: what every page
// reads, and which pages of an object were written. Seeds: shim/seeds.hpp.
#include "shim/check.hpp"
#include "shim/objects.hpp"
#include "shim/seeds.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

namespace {

using namespace vm;
using shim::Machine;
using shim::Operation;
using shim::Space;

/// Where objects are mapped, and how large they are.
struct Geometry {
    std::uint64_t object_pages;
    std::uint64_t cells;
    std::uint64_t base;
    /// Parts often begin and end at multiples of so many pages, and are about as long.
    std::uint64_t step;
    unsigned steps;
};
/// Around the border of two page tables.
constexpr Geometry few_pages{40, 96, (1ULL << 30) - 48 * page_size, 9, 120};
/// Three page tables' worth, so that an object's own may be grafted.
constexpr Geometry whole_tables{2 * table_entries + 40, 3 * table_entries, 1ULL << 30,
                                table_entries, 40};
constexpr unsigned spaces = 3;

struct Difference : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Cell {
    enum class Kind : std::uint8_t { hole, memory, object } kind = Kind::hole;
    unsigned object = 0;
    std::uint64_t index = 0;
    bool is_private = false;
    bool own = false; ///< a private copy was made, or memory was written
    std::uint64_t value = 0;
    Access access{};
};

struct Content {
    std::uint64_t pages = 0;
    std::vector<std::uint64_t> now;
    std::vector<bool> written;

    explicit Content(std::uint64_t length) : pages(length), now(length), written(length) {}
};

class Trial {
public:
    Trial(std::uint64_t seed, const Geometry& geometry)
        : object_pages(geometry.object_pages), cells(geometry.cells), base(geometry.base),
          geometry_(geometry), random_(seed),
          machine_({.zones = {{PhysAddr{0x100000}, PhysAddr{0xa00000 + geometry.cells * 0x8000}}},
                    .mirrored_roots = seed % 4 == 0,
                    .commit_limit = PageCount{1ULL << 40}}),
          contents_{Content(object_pages), Content(object_pages)}, stored_(object_pages) {
        models_.fill(std::vector<Cell>(cells));
        objects_[0] = shim::zeros_object(object_pages);
        objects_[1] = shim::paged_object(object_pages);
        for (std::uint64_t page = 0; page < object_pages; ++page)
            stored_[page] = contents_[1].now[page] = 1000 + page;
        for (auto& space : spaces_) space = std::make_unique<Space>(machine_);
    }

    void run() {
        for (unsigned step = 0; step < geometry_.steps; ++step) {
            shim::set_cpu(static_cast<unsigned>(random_() % 2));
            one();
            if (geometry_.step == table_entries && chance(2)) continue; // they take long to check
            for (const auto& space : spaces_) {
                const std::string faults = shim::faults_of(machine_, **space);
                require(faults.empty(), faults);
            }
            for (unsigned n = 0; n < 6; ++n) read(some_space(), random_() % cells);
        }
        for (unsigned space = 0; space < spaces; ++space)
            for (std::uint64_t cell = 0; cell < cells; ++cell) read(space, cell);
        shim::set_cpu(0);
    }
    std::string log() const { return log_; }

private:
    struct Part {
        unsigned space;
        std::uint64_t first;
        std::uint64_t end;
    };

    void require(bool holds, const std::string& what) {
        if (!holds) throw Difference(what);
    }
    bool chance(unsigned one_in) { return random_() % one_in == 0; }
    unsigned some_space() { return static_cast<unsigned>(random_() % spaces); }
    Part some_part() {
        std::uint64_t first = random_() % cells;
        if (geometry_.step == table_entries && !chance(3)) {
            first = align_down(first, table_entries);
            return {some_space(), first,
                    std::min(cells, first + table_entries * (1 + random_() % 2))};
        }
        const std::uint64_t length = 1 + random_() % (chance(4) ? cells : geometry_.step);
        return {some_space(), first, std::min(cells, first + length)};
    }
    /// Where in an object a mapping begins: often as the page tables do.
    std::uint64_t some_offset(const Part& part) {
        const std::uint64_t first = random_() % object_pages;
        if (geometry_.step != table_entries || chance(3)) return first;
        return align_down(first, table_entries) + part.first % table_entries;
    }
    VirtAddr address(std::uint64_t cell) const { return VirtAddr{base + cell * page_size}; }
    VirtRange range(const Part& part) const { return {address(part.first), address(part.end)}; }
    void note(const std::string& what, const Part& part) {
        log_ += what + " space " + std::to_string(part.space) + " [" + std::to_string(part.first) +
                ", " + std::to_string(part.end) + ")\n";
    }
    Access some_access() {
        constexpr Access all[] = {Access::none(), Access::read(), Access::read_write(),
                                  Access::read_write()};
        return all[random_() % 4];
    }

    void one() {
        switch (random_() % 16) {
        case 0:
        case 1:
        case 2: map_object(); break;
        case 3: map_memory(); break;
        case 4: unmap(); break;
        case 5:
        case 6: protect(); break;
        case 7: discard(); break;
        case 8: evict(); break;
        case 9: collect(); break;
        case 10: resize(); break;
        case 11: fork(); break;
        default: write(); break;
        }
    }

    void map_object() {
        const Part part = some_part();
        const auto which = static_cast<unsigned>(random_() % 2);
        const std::uint64_t first = some_offset(part);
        const bool is_private = chance(2);
        const Access access = some_access();
        note("map object " + std::to_string(which) + " from " + std::to_string(first) +
                 (is_private ? " private" : ""),
             part);
        require((*spaces_[part.space])
                    ->map_object({.object = objects_[which].get(),
                                  .first_page = first,
                                  .address = address(part.first),
                                  .pages = {part.end - part.first},
                                  .placement = Placement::replace,
                                  .access = access,
                                  .is_private = is_private,
                                  .noreserve = chance(2)})
                    .ok(),
                "map_object");
        for (std::uint64_t cell = part.first; cell < part.end; ++cell)
            models_[part.space][cell] = {.kind = Cell::Kind::object,
                                         .object = which,
                                         .index = first + cell - part.first,
                                         .is_private = is_private,
                                         .access = access};
    }

    void map_memory() {
        const Part part = some_part();
        const Access access = some_access();
        note("map memory", part);
        require((*spaces_[part.space])
                    ->map({.address = address(part.first),
                           .pages = {part.end - part.first},
                           .placement = Placement::replace,
                           .access = access})
                    .ok(),
                "map");
        for (std::uint64_t cell = part.first; cell < part.end; ++cell)
            models_[part.space][cell] = {.kind = Cell::Kind::memory, .access = access};
    }

    void unmap() {
        const Part part = some_part();
        note("unmap", part);
        require((*spaces_[part.space])->unmap(range(part)).ok(), "unmap");
        for (std::uint64_t cell = part.first; cell < part.end; ++cell)
            models_[part.space][cell] = {};
    }

    bool any_hole(const Part& part) {
        const auto& model = models_[part.space];
        return std::any_of(model.begin() + static_cast<std::ptrdiff_t>(part.first),
                           model.begin() + static_cast<std::ptrdiff_t>(part.end),
                           [](const Cell& cell) { return cell.kind == Cell::Kind::hole; });
    }

    void protect() {
        const Part part = some_part();
        const Access access = some_access();
        note("protect", part);
        const auto done = (*spaces_[part.space])->protect(range(part), access);
        require(done.ok() != any_hole(part), "protect");
        for (std::uint64_t cell = part.first; done.ok() && cell < part.end; ++cell)
            models_[part.space][cell].access = access;
    }

    void discard() {
        const Part part = some_part();
        note("discard", part);
        const auto done = (*spaces_[part.space])->discard(range(part));
        require(done.ok() != any_hole(part), "discard");
        for (std::uint64_t cell = part.first; done.ok() && cell < part.end; ++cell) {
            models_[part.space][cell].own = false;
            models_[part.space][cell].value = 0;
        }
        if (chance(3)) (*spaces_[part.space])->sweep_ids();
    }

    void evict() {
        const std::uint64_t page = random_() % object_pages;
        log_ += "evict " + std::to_string(page) + "\n";
        const auto done = objects_[1]->evict(page);
        if (!done && done.error() == Error::not_found) return;
        const bool dirty = contents_[1].written[page];
        require(done.ok() == !dirty, dirty ? "a written page was evicted" : "not evicted");
    }

    void collect() {
        const auto which = static_cast<unsigned>(random_() % 2);
        const std::uint64_t first = random_() % object_pages;
        const std::uint64_t end = first + 1 + random_() % (object_pages - first);
        log_ += "collect " + std::to_string(which) + "\n";
        std::vector<std::uint64_t> told(object_pages);
        const std::size_t count = objects_[which]->collect_written(first, end, told);
        std::size_t expected = 0;
        Content& content = contents_[which];
        for (std::uint64_t page = first; page < std::min(end, content.pages); ++page) {
            if (!content.written[page]) continue;
            require(expected < count && told[expected] == page, "another page was written");
            ++expected;
            content.written[page] = false;
            if (which == 1) stored_[page] = content.now[page];
        }
        require(expected == count, "fewer pages were written");
    }

    void resize() {
        const std::uint64_t pages = 1 + random_() % object_pages;
        log_ += "resize to " + std::to_string(pages) + "\n";
        require(objects_[0]->resize({pages}).ok(), "resize");
        for (std::uint64_t page = pages; page < object_pages; ++page) {
            contents_[0].now[page] = 0;
            contents_[0].written[page] = false;
        }
        contents_[0].pages = pages;
    }

    void fork() {
        const unsigned parent = some_space();
        const unsigned child = (parent + 1) % spaces;
        log_ += "fork " + std::to_string(parent) + "\n";
        spaces_[child].reset();
        spaces_[child] = std::make_unique<Space>(machine_, **spaces_[parent]);
        models_[child] = models_[parent];
    }

    Resolution touch(unsigned space, std::uint64_t cell, Operation operation) {
        for (;;) {
            AddressSpace& of = **spaces_[space];
            const std::uint64_t resident = objects_[1]->resident().value;
            const std::uint64_t zeros = objects_[0]->resident().value;
            const auto how = machine_.touch(of, address(cell), operation);
            // What neighbours are mapped with it is there already.
            require(objects_[1]->resident().value == resident, "a fault made a pager's page");
            require(objects_[0]->resident().value <= zeros + 1, "a fault made pages beside");
            if (how.resolution != Resolution::needs_page) return how.resolution;
            const auto missing = of.missing_page(address(cell));
            require(missing.has_value() && missing->object.get() == objects_[1].get(),
                    "another object lacks a page");
            require(shim::supply(*missing->object, missing->index, stored_[missing->index]).ok(),
                    "supply");
        }
    }

    Resolution expected(const Cell& cell, bool write) {
        if (cell.kind == Cell::Kind::hole) return Resolution::hole;
        if (write ? !cell.access.writable() : !cell.access.readable()) return Resolution::forbidden;
        if (cell.kind == Cell::Kind::object && !cell.own &&
            cell.index >= contents_[cell.object].pages)
            return Resolution::beyond_end;
        return Resolution::resolved;
    }

    void write() {
        const unsigned space = some_space();
        const std::uint64_t at = random_() % cells;
        note("write", {space, at, at + 1});
        Cell& cell = models_[space][at];
        const Resolution how = touch(space, at, Operation::write);
        require(how == expected(cell, true), "write: another resolution");
        if (how != Resolution::resolved) return;
        const std::uint64_t value = random_();
        require(machine_.write_word(**spaces_[space], address(at), value) == Resolution::resolved,
                "written once, and not again");
        if (cell.kind == Cell::Kind::object && !cell.is_private) {
            contents_[cell.object].now[cell.index] = value;
            contents_[cell.object].written[cell.index] = true;
        } else {
            cell.own = true;
            cell.value = value;
        }
    }

    void read(unsigned space, std::uint64_t at) {
        const Cell& cell = models_[space][at];
        const Resolution how = touch(space, at, Operation::read);
        require(how == expected(cell, false), "read: another resolution, cell " +
                                                  std::to_string(at) + " of space " +
                                                  std::to_string(space));
        if (how != Resolution::resolved) return;
        const bool of_object = cell.kind == Cell::Kind::object && !cell.own;
        const std::uint64_t value = of_object ? contents_[cell.object].now[cell.index] : cell.value;
        require(machine_.read_word(**spaces_[space], address(at)) == value,
                "content of cell " + std::to_string(at) + " of space " + std::to_string(space));
    }

    const std::uint64_t object_pages;
    const std::uint64_t cells;
    const std::uint64_t base;
    const Geometry& geometry_;
    std::mt19937_64 random_;
    Machine machine_;
    std::array<ObjectRef, 2> objects_;
    std::array<Content, 2> contents_;
    std::vector<std::uint64_t> stored_; ///< what the pager has
    std::array<std::unique_ptr<Space>, spaces> spaces_;
    std::array<std::vector<Cell>, spaces> models_;
    std::string log_;
};

} // namespace

TEST_CASE("random operations on objects do what plain arrays say") {
    std::uint64_t tried = 0;
    shim::for_seeds(333, [&](std::uint64_t seed) {
        Trial trial(seed, seed % 8 == 0 ? whole_tables : few_pages);
        try {
            trial.run();
        } catch (const std::exception& error) {
            FAIL("seed ", seed, ": ", std::string(error.what()), "\noperations:\n", trial.log());
        }
        ++tried;
    });
    CHECK(tried != 0);
}
