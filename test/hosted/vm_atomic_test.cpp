// SPDX-License-Identifier: MIT
// What a watcher is told of accesses to shared words.
#include "vm/atomic.hpp"

#include "shim/check.hpp"
#include "vm/table.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

namespace {

struct Told {
    const volatile void* address;
    std::size_t bytes;
    vm::Step step;
    bool operator==(const Told&) const = default;
};
std::vector<Told>* told = nullptr;

/// Watches while it lives.
struct Watch {
    std::vector<Told> steps;
    Watch() {
        told = &steps;
        vm::watcher = [](const volatile void* address, std::size_t bytes, vm::Step step) {
            told->push_back({address, bytes, step});
        };
    }
    ~Watch() { vm::watcher = nullptr; }
};

} // namespace

TEST_CASE("vm atomic: a watcher is told of each access before it happens") {
    vm::Atomic<std::uint32_t> word{1};
    vm::Plain<std::uint8_t> field = 2;
    Watch watch;
    CHECK(word.load() == 1);
    word.store(5);
    CHECK(word.fetch_add(1) == 5);
    std::uint32_t expected = 7;
    CHECK_FALSE(word.compare_exchange_strong(expected, 9));
    CHECK(expected == 6);
    CHECK(field == 2);
    ++field;
    CHECK(watch.steps == std::vector<Told>{{&word, 4, vm::Step::read},
                                           {&word, 4, vm::Step::write},
                                           {&word, 4, vm::Step::update},
                                           {&word, 4, vm::Step::update},
                                           {&field, 1, vm::Step::read},
                                           {&field, 1, vm::Step::read},
                                           {&field, 1, vm::Step::write}});
}

TEST_CASE("vm atomic: a fault tells of its entry, its table's lock and its frame") {
    shim::Machine machine;
    shim::Space space(machine);
    const VirtAddr page{0x40000000};
    REQUIRE(space->map({.address = page, .pages = {8}, .placement = vm::Placement::fixed}).ok());
    REQUIRE(space->resolve(page, {.write = true}) == vm::Resolution::resolved);
    Watch watch;
    REQUIRE(space->resolve(page + page_size, {.write = true}) == vm::Resolution::resolved);
    const PhysAddr frame = *space->frame_of(page + page_size);
    const auto times = [&](const volatile void* address, std::size_t bytes, vm::Step step) {
        return std::ranges::count(watch.steps, Told{address, bytes, step});
    };
    PhysAddr table = space->root();
    const vm::Slot* slot = nullptr;
    for (vm::Level level = space->levels(); level != 0; --level) {
        slot = static_cast<const vm::Slot*>(vm::direct(table)) +
               vm::level_index(page + page_size, level);
        CHECK(times(slot, 8, vm::Step::read) > 0);
        if (level > 1) table = slot->load().frame();
    }
    CHECK(times(slot, 8, vm::Step::write) == 1);
    CHECK(times(&vm::frame_record(table).table->lock, 4, vm::Step::update) == 1);
    CHECK(times(&vm::frame_record(table).table->lock, 4, vm::Step::write) == 1);
    CHECK(times(&vm::frame_record(frame).references, 4, vm::Step::write) == 1);
    CHECK(times(&vm::frame_record(frame).kind, 1, vm::Step::write) == 1);
    CHECK(times(vm::direct(frame), page_size, vm::Step::write) == 1);
}
