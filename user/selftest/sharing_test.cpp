// SPDX-License-Identifier: MIT
// Memory that goes to another place, or to another process, or is in both.
#include "user/lib/fork.hpp"
#include "user/selftest/framework.hpp"

#include <array>

namespace selftest {
namespace {

constexpr std::uint32_t read_write = abi::access_read | abi::access_write;
constexpr std::uint64_t far_away = 0x3200'0000'0000;
constexpr std::uint64_t pages = 600; // more than a page table's
constexpr std::uint64_t bytes = pages * page_size;

void fill(std::uint64_t start, std::uint64_t count) {
    for (std::uint64_t page = 0; page < count; ++page) word_at(start + page * page_size) = page + 1;
}
bool is_filled(std::uint64_t start, std::uint64_t count) {
    for (std::uint64_t page = 0; page < count; ++page)
        if (word_at(start + page * page_size) != page + 1) return false;
    return true;
}
bool is_mapped(std::uint64_t address) {
    const auto run = user::nearest(abi::no_handle, address, abi::Direction::up);
    return run && run->start <= address;
}
std::uint64_t own_frames() {
    const auto info = user::process_info(abi::no_handle);
    return expect_ok(info, "process_info") ? info->anonymous : 0;
}

void pages_move_without_copies() {
    const std::uint64_t from = REQUIRE(user::map(bytes));
    fill(from, pages);
    const std::uint64_t frames = own_frames();
    const auto to = REQUIRE(user::remap(from, bytes, bytes, abi::map_fixed, far_away));
    EXPECT_EQUAL(to, far_away);
    EXPECT_EQUAL(own_frames(), frames);
    EXPECT(!is_mapped(from));
    EXPECT(is_filled(to, pages));
    EXPECT_OK(user::unmap(to, bytes));
}

void a_mapping_grows_and_shrinks() {
    const std::uint64_t start = far_away + page_size;
    EXPECT_OK(user::map(2 * page_size, {.address = start, .flags = abi::map_fixed}));
    fill(start, 2);
    // There is room behind it.
    EXPECT_EQUAL(REQUIRE(user::remap(start, 2 * page_size, 4 * page_size)), start);
    EXPECT_EQUAL(word_at(start + 3 * page_size), 0U);
    // And then there is not.
    EXPECT_OK(user::map(page_size, {.address = start + 4 * page_size, .flags = abi::map_fixed}));
    const auto moved = REQUIRE(user::remap(start, 4 * page_size, 900 * page_size));
    EXPECT(moved != start && !is_mapped(start));
    EXPECT(is_filled(moved, 2));
    EXPECT_EQUAL(word_at(moved + 899 * page_size), 0U);
    EXPECT_EQUAL(REQUIRE(user::remap(moved, 900 * page_size, page_size)), moved);
    EXPECT(!is_mapped(moved + page_size));
    EXPECT_EQUAL(word_at(moved), 1U);
    EXPECT_OK(user::unmap(moved, page_size));
    EXPECT_OK(user::unmap(start, 5 * page_size));
}

void bad_moves_change_nothing() {
    const std::uint64_t at = REQUIRE(user::map(4 * page_size));
    fill(at, 4);
    EXPECT_ERROR(user::remap(at, 4 * page_size, 4 * page_size, abi::map_fixed, at + page_size),
                 Error::invalid_argument);
    EXPECT_ERROR(user::remap(at, 4 * page_size, 0), Error::invalid_argument);
    EXPECT_ERROR(user::remap(at, 100, page_size), Error::invalid_argument);
    EXPECT_ERROR(user::remap(at, page_size, page_size, abi::map_huge), Error::invalid_argument);
    EXPECT_ERROR(user::remap(at, page_size, page_size, abi::map_fixed, 0), Error::invalid_argument);
    EXPECT_OK(user::map(page_size, {.address = far_away, .flags = abi::map_fixed}));
    EXPECT_ERROR(user::remap(at, 4 * page_size, 4 * page_size, abi::map_fixed, far_away),
                 Error::already_mapped);
    EXPECT_OK(user::unmap(at + 2 * page_size, page_size));
    EXPECT_ERROR(user::remap(at, 4 * page_size, 4 * page_size, abi::map_replace, far_away),
                 Error::not_mapped);
    EXPECT(is_filled(at, 2) && word_at(at + 3 * page_size) == 4);
    EXPECT_EQUAL(word_at(far_away), 0U);
    EXPECT_OK(user::unmap(at, 4 * page_size));
    EXPECT_OK(user::unmap(far_away, page_size));
}

/// A copy of this process that does `work` once it was told to.
template <typename Work>
Result<user::OwnedHandle> start_waiting(abi::Handle go, Work work) {
    return user::fork_to([&] {
        const auto told = user::wait(go);
        return told ? work() : 100;
    });
}

void both_see_what_either_writes() {
    const user::OwnedHandle go(REQUIRE(user::notification_create()));
    const auto child = REQUIRE(start_waiting(go.get(), [] {
        if (!is_filled(far_away, pages - 1)) return 1;
        if (word_at(far_away + (pages - 1) * page_size) != 0) return 2;
        word_at(far_away + page_size) = 77;
        word_at(far_away + (pages - 1) * page_size) = 78;
        return 0;
    }));
    const std::uint64_t at = REQUIRE(user::map(bytes));
    fill(at, pages - 1); // the last one has no frame yet
    EXPECT_EQUAL(
        REQUIRE(user::share(child.get(), at, bytes, user::all_access, abi::map_fixed, far_away)),
        far_away);
    EXPECT_OK(user::signal(go.get(), 1));
    EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), 0);
    EXPECT_EQUAL(word_at(at + page_size), 77U);
    EXPECT_EQUAL(word_at(at + (pages - 1) * page_size), 78U);
    EXPECT_EQUAL(word_at(at), 1U);
    EXPECT_ERROR(user::share(child.get(), at, page_size), Error::not_found);
    EXPECT_OK(user::unmap(at, bytes));
}

void moved_memory_is_the_others_alone() {
    const user::OwnedHandle go(REQUIRE(user::notification_create()));
    const auto child = REQUIRE(start_waiting(go.get(), [] {
        if (!is_filled(far_away, pages)) return 1;
        fill(far_away, pages);
        return user::unmap(far_away, bytes) ? 0 : 2;
    }));
    const std::uint64_t frames = own_frames();
    const std::uint64_t at = REQUIRE(user::map(bytes));
    fill(at, pages);
    EXPECT_OK(
        user::share(child.get(), at, bytes, read_write, abi::map_fixed | abi::map_move, far_away));
    EXPECT(!is_mapped(at));
    EXPECT_EQUAL(own_frames(), frames);
    EXPECT_OK(user::signal(go.get(), 1));
    EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), 0);
}

void rights_are_cut_down() {
    const user::OwnedHandle go(REQUIRE(user::notification_create()));
    const auto child = REQUIRE(start_waiting(go.get(), [] {
        if (word_at(far_away) != 5) return 1;
        const auto more = user::protect(far_away, page_size, read_write);
        if (more || more.error() != Error::not_permitted) return 2;
        // Nor can it pass on what it has not.
        const auto again = user::share(abi::no_handle, far_away, page_size);
        if (!again || word_at(*again) != 5) return 3;
        return user::protect(*again, page_size, read_write) ? 4 : 0;
    }));
    const std::uint64_t at = REQUIRE(user::map(page_size));
    word_at(at) = 5;
    EXPECT_OK(user::share(child.get(), at, page_size, abi::access_read, abi::map_fixed, far_away));
    word_at(at) = 5; // it may still be written here
    EXPECT_OK(user::signal(go.get(), 1));
    EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), 0);
    EXPECT_OK(user::unmap(at, page_size));
}

/// Files, guards, memory by handle, parked pages: each as what it is.
void all_states_are_shared() {
    const user::OwnedHandle memory(REQUIRE(user::memory_create(page_size)));
    const std::uint64_t at = far_away + 64 * page_size;
    EXPECT_OK(user::map(5 * page_size, {.address = at, .flags = abi::map_fixed}));
    EXPECT_OK(user::map_object(memory.get(), at, page_size, read_write, abi::map_replace));
    EXPECT_OK(user::map_object(user::handles.archive, at + page_size, page_size, read_write,
                               abi::map_replace | abi::map_private));
    EXPECT_OK(user::map(
        page_size,
        {.address = at + 2 * page_size, .access = 0, .flags = abi::map_replace | abi::map_guard}));
    const std::uint64_t first = word_at(at + page_size + 256);
    word_at(at) = 1;
    word_at(at + page_size) = 2;
    word_at(at + 3 * page_size) = 3;
    EXPECT_OK(user::protect(at + 3 * page_size, page_size, 0));
    const std::uint64_t there = REQUIRE(user::share(abi::no_handle, at, 5 * page_size));
    std::array<abi::Run, 8> runs;
    const auto found = REQUIRE(user::query(abi::no_handle, there, runs));
    EXPECT(found.size() >= 4 && found[0].start == there);
    word_at(at) = 11;
    EXPECT_EQUAL(word_at(there), 11U);
    EXPECT_EQUAL(word_at(there + page_size), 2U); // a copy
    word_at(there + page_size) = 22;
    EXPECT_EQUAL(word_at(at + page_size), 2U);
    EXPECT_EQUAL(word_at(there + page_size + 256), first);
    EXPECT_ERROR(user::protect(there + 2 * page_size, page_size, abi::access_read),
                 Error::not_permitted);
    EXPECT_OK(user::protect(there + 3 * page_size, page_size, read_write));
    EXPECT_EQUAL(word_at(there + 3 * page_size), 3U);
    word_at(there + 4 * page_size) = 4;
    EXPECT_EQUAL(word_at(at + 4 * page_size), 4U);
    EXPECT_OK(user::unmap(at, 5 * page_size));
    EXPECT_EQUAL(word_at(there + 3 * page_size), 3U);
    EXPECT_OK(user::unmap(there, 5 * page_size));
}

void bad_shares_are_refused() {
    const std::uint64_t at = REQUIRE(user::map(2 * page_size));
    const auto no_flags = [&](std::uint32_t flags) {
        return user::share(abi::no_handle, at, page_size, user::all_access, flags, far_away);
    };
    EXPECT_ERROR(no_flags(abi::map_guard), Error::invalid_argument);
    EXPECT_ERROR(user::share(abi::no_handle, at, page_size, 8), Error::invalid_argument);
    EXPECT_ERROR(user::share(abi::no_handle, at, 0), Error::invalid_argument);
    EXPECT_ERROR(user::share(abi::no_handle, at + 8, page_size), Error::invalid_argument);
    EXPECT_ERROR(user::share(user::handles.console, at, page_size), Error::bad_handle);
    EXPECT_ERROR(user::share(12345, at, page_size), Error::bad_handle);
    EXPECT_ERROR(user::share(abi::no_handle, at, 3 * page_size + (1ULL << 40)), Error::not_mapped);
    const auto child =
        REQUIRE(user::fork_to([] { return user::sleep(1'000'000'000'000) ? 0 : 1; }));
    const user::OwnedHandle looks(REQUIRE(user::handle_duplicate(child.get(), abi::right_inspect)));
    EXPECT_ERROR(user::share(looks.get(), at, page_size), Error::not_permitted);
    EXPECT_OK(user::process_kill(child.get(), 1));
    EXPECT_OK(user::process_wait(child.get()));
    EXPECT_OK(user::unmap(at, 2 * page_size));
}

constexpr Test tests[] = {
    {"pages move without copies", pages_move_without_copies},
    {"a mapping grows and shrinks", a_mapping_grows_and_shrinks},
    {"bad moves change nothing", bad_moves_change_nothing},
    {"both see what either writes", both_see_what_either_writes},
    {"moved memory is the other's alone", moved_memory_is_the_others_alone},
    {"rights are cut down", rights_are_cut_down},
    {"all states are shared", all_states_are_shared},
    {"bad shares are refused", bad_shares_are_refused},
};

} // namespace

constinit const Suite sharing_suite{"sharing", tests};

} // namespace selftest
