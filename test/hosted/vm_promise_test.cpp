// SPDX-License-Identifier: MIT
// A search of another CPU at every instruction of an unmap: it loses no hole. The processor's trap
// flag stops the test's own thread after each instruction, and the search runs in the handler.
#include "shim/check.hpp"
#include "vm/space.hpp"
#include "vm/validate.hpp"

#include <csignal>
#include <doctest/doctest.h>

namespace {

using namespace vm;

constexpr std::uint64_t trap_flag = 1ULL << 8;

/// What the handler reaches.
const AddressSpace* searched = nullptr;
unsigned searches = 0;

/// Takes no lock and no memory, as a search does.
void search_between(int) {
    shim::set_cpu(1);
    static_cast<void>(searched->first_fit({1}, page_size, user_range.start));
    ++searches;
    shim::set_cpu(0);
}

void set_trap_flag(std::uint64_t flag) {
    std::uint64_t flags = __builtin_ia32_readeflags_u64();
    __builtin_ia32_writeeflags_u64((flags & ~trap_flag) | flag);
}

/// Runs `body` with a search between any two instructions.
template <typename Body>
void stepped(const AddressSpace& space, Body&& body) {
    struct sigaction action{};
    struct sigaction before{};
    action.sa_handler = search_between;
    REQUIRE(sigaction(SIGTRAP, &action, &before) == 0);
    searched = &space;
    searches = 0;
    set_trap_flag(trap_flag);
    body();
    set_trap_flag(0);
    REQUIRE(sigaction(SIGTRAP, &before, nullptr) == 0);
}

} // namespace

TEST_CASE("promise: no hole is lost to searches between any two instructions of an unmap") {
    shim::Machine machine;
    shim::Space space(machine);
    // Everything is mapped. The touch splits the one large entry into tables that promise nothing.
    constexpr VirtRange all = user_range;
    REQUIRE(space
                ->map({.address = all.start,
                       .pages = all.pages(),
                       .placement = Placement::fixed,
                       .noreserve = true})
                .ok());
    constexpr VirtAddr page{0x123'4567'8000};
    REQUIRE(machine.write_word(*space, page, 1) == Resolution::resolved);
    REQUIRE(space->first_fit({1}, page_size, all.start).error() == Error::no_space);

    bool unmapped = false;
    stepped(*space, [&] { unmapped = space->unmap({page, page + page_size}).ok(); });
    REQUIRE(unmapped);
    CHECK(searches > 100);
    const char* const problem = validate(*space);
    CHECK_MESSAGE(problem == nullptr, problem);
    const auto found = space->first_fit({1}, page_size, all.start);
    REQUIRE(found.ok());
    CHECK(*found == page);
}
