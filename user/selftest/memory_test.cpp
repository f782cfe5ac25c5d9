// SPDX-License-Identifier: MIT
// Memory: lazy zeros, placement, sizes, discarding, giving back.
#include "user/selftest/framework.hpp"
#include "user/selftest/machine.hpp"

namespace selftest {
namespace {

constexpr std::uint64_t mebibyte = 1 << 20;
constexpr std::uint64_t gibibyte = 1 << 30;
/// Far from everything else in the process.
constexpr std::uint64_t far_away = 0x2000'0000'0000;

volatile std::uint64_t* word_at(std::uint64_t address) {
    return reinterpret_cast<volatile std::uint64_t*>(address);
}
std::uint64_t own_faults() {
    const auto info = user::process_info(abi::no_handle);
    return info ? info->faults : 0;
}

void lazy_memory_is_zero() {
    constexpr std::uint64_t pages = 64;
    const auto address = REQUIRE(user::map(pages * page_size));
    for (std::uint64_t at = 0; at < pages * page_size; at += 8) {
        if (*word_at(address + at) != 0) fail("fresh memory is not zero", {});
    }
    for (std::uint64_t at = 0; at < pages * page_size; at += 8) *word_at(address + at) = at + 1;
    for (std::uint64_t at = 0; at < pages * page_size; at += 8) {
        if (*word_at(address + at) != at + 1) fail("memory forgot", {});
    }
    REQUIRE(user::unmap(address, pages * page_size));
    // Frames that are used again must not show what was in them.
    const auto again = REQUIRE(user::map(pages * page_size));
    for (std::uint64_t at = 0; at < pages * page_size; at += 8) {
        if (*word_at(again + at) != 0) fail("used memory is not zero", {});
    }
    REQUIRE(user::unmap(again, pages * page_size));
}

/// Pages that are only read share the zero frame; a write to one leaves the others alone.
void read_then_write() {
    const auto address = REQUIRE(user::map(3 * page_size));
    for (std::uint64_t page = 0; page < 3; ++page) {
        EXPECT_EQUAL(*word_at(address + page * page_size), 0);
    }
    const std::uint64_t before = own_faults();
    *word_at(address + page_size) = 7;
    EXPECT_EQUAL(own_faults() - before, 1);
    EXPECT_EQUAL(*word_at(address), 0);
    EXPECT_EQUAL(*word_at(address + page_size), 7);
    EXPECT_EQUAL(*word_at(address + 2 * page_size), 0);
    REQUIRE(user::unmap(address, 3 * page_size));
}

void faults_are_counted() {
    constexpr std::uint64_t pages = 100;
    const auto address = REQUIRE(user::map(pages * page_size));
    const std::uint64_t before = own_faults();
    for (std::uint64_t page = 0; page < pages; ++page) *word_at(address + page * page_size) = 1;
    EXPECT_EQUAL(own_faults() - before, pages);
    for (std::uint64_t page = 0; page < pages; ++page) *word_at(address + page * page_size) = 2;
    EXPECT_EQUAL(own_faults() - before, pages);
    REQUIRE(user::unmap(address, pages * page_size));
}

void discard_gives_zeros() {
    constexpr std::uint64_t pages = 8;
    const auto address = REQUIRE(user::map(pages * page_size));
    for (std::uint64_t page = 0; page < pages; ++page)
        *word_at(address + page * page_size) = page + 1;
    const auto before = REQUIRE(user::process_info(abi::no_handle));
    REQUIRE(user::discard(address + 2 * page_size, 3 * page_size));
    const auto after = REQUIRE(user::process_info(abi::no_handle));
    EXPECT_EQUAL(before.anonymous - after.anonymous, 3);
    for (std::uint64_t page = 0; page < pages; ++page) {
        const bool dropped = page >= 2 && page < 5;
        EXPECT_EQUAL(*word_at(address + page * page_size), dropped ? 0 : page + 1);
    }
    *word_at(address + 3 * page_size) = 9; // the range is still there, with its rights
    EXPECT_EQUAL(*word_at(address + 3 * page_size), 9);
    REQUIRE(user::unmap(address, pages * page_size));
    EXPECT_ERROR(user::discard(address, page_size), Error::not_mapped);
    EXPECT_ERROR(user::discard(address, 0), Error::invalid_argument);
    EXPECT_ERROR(user::discard(address + 1, page_size), Error::invalid_argument);
}

void sizes_and_addresses_are_checked() {
    EXPECT_ERROR(user::map(0), Error::invalid_argument);
    EXPECT_ERROR(user::map(1), Error::invalid_argument);
    EXPECT_ERROR(user::map(page_size + 1), Error::invalid_argument);
    EXPECT(!user::map(~0ULL << 12));
    EXPECT(!user::map(1ULL << 47, {.flags = abi::map_noreserve}));
    EXPECT(!user::map(1ULL << 63, {.flags = abi::map_noreserve}));
    const auto fixed = [](std::uint64_t address, std::uint64_t bytes) {
        return user::map(bytes, {.address = address, .flags = abi::map_fixed});
    };
    EXPECT_ERROR(fixed(far_away + 1, page_size), Error::invalid_argument);
    EXPECT_ERROR(fixed(0, page_size), Error::invalid_argument);
    EXPECT_ERROR(fixed(0xf000, page_size), Error::invalid_argument);
    EXPECT_ERROR(fixed(0x7fff'ffff'f000, page_size), Error::invalid_argument);
    EXPECT_ERROR(fixed(0x7fff'ffff'e000, 2 * page_size), Error::invalid_argument);
    EXPECT_ERROR(fixed(0x8000'0000'0000, page_size), Error::invalid_argument);
    EXPECT_ERROR(fixed(0xffff'8000'0000'0000, page_size), Error::invalid_argument);
    EXPECT_ERROR(fixed(0xffff'ffff'ffff'f000, page_size), Error::invalid_argument);
    EXPECT_ERROR(fixed(far_away, ~0ULL << 12), Error::invalid_argument);
    EXPECT_ERROR(user::map(page_size, {.flags = 0x8000'0000}), Error::invalid_argument);
    EXPECT_ERROR(user::map(page_size, {.access = 8}), Error::invalid_argument);
    EXPECT_ERROR(user::map(page_size, {.alignment = 3}), Error::invalid_argument);
    EXPECT_ERROR(user::map(page_size, {.alignment = 12288}), Error::invalid_argument);
    EXPECT_ERROR(user::unmap(far_away + 1, page_size), Error::invalid_argument);
    EXPECT_ERROR(user::unmap(far_away, 1), Error::invalid_argument);
    EXPECT_ERROR(user::unmap(far_away, 0), Error::invalid_argument);
    EXPECT_ERROR(user::unmap(0xffff'8000'0000'0000, page_size), Error::invalid_argument);
    EXPECT_ERROR(user::unmap(far_away, ~0ULL << 12), Error::invalid_argument);
}

void first_fit_takes_the_first_hole() {
    const auto fixed = [](std::uint64_t address, std::uint64_t pages) {
        return user::map(pages * page_size, {.address = address, .flags = abi::map_fixed});
    };
    const auto at_or_above = [](std::uint64_t address, std::uint64_t pages) {
        return user::map(pages * page_size, {.address = address});
    };
    // far_away:  A . . B . . . C
    REQUIRE(fixed(far_away, 1));
    REQUIRE(fixed(far_away + 3 * page_size, 1));
    REQUIRE(fixed(far_away + 7 * page_size, 1));
    EXPECT_EQUAL(REQUIRE(at_or_above(far_away, 3)), far_away + 4 * page_size);
    EXPECT_EQUAL(REQUIRE(at_or_above(far_away, 1)), far_away + page_size);
    EXPECT_EQUAL(REQUIRE(at_or_above(far_away + page_size, 2)), far_away + 8 * page_size);
    EXPECT_EQUAL(REQUIRE(at_or_above(far_away, 1)), far_away + 2 * page_size);
    EXPECT_EQUAL(REQUIRE(at_or_above(far_away + 5 * page_size, 1)), far_away + 10 * page_size);
    REQUIRE(user::unmap(far_away, 16 * page_size));
}

void alignment_is_kept() {
    const auto small = REQUIRE(user::map(page_size, {.alignment = mebibyte}));
    EXPECT_EQUAL(small % mebibyte, 0);
    REQUIRE(user::unmap(small, page_size));
    const auto large = REQUIRE(user::map(4 * mebibyte));
    EXPECT_EQUAL(large % (2 * mebibyte), 0);
    REQUIRE(user::unmap(large, 4 * mebibyte));
    const auto huge = REQUIRE(user::map(2 * gibibyte, {.flags = abi::map_noreserve}));
    EXPECT_EQUAL(huge % gibibyte, 0);
    REQUIRE(user::unmap(huge, 2 * gibibyte));
    const auto given =
        REQUIRE(user::map(4 * mebibyte, {.flags = abi::map_noreserve, .alignment = page_size}));
    REQUIRE(user::unmap(given, 4 * mebibyte));
}

void fixed_and_replace() {
    const auto address =
        REQUIRE(user::map(4 * page_size, {.address = far_away, .flags = abi::map_fixed}));
    EXPECT_EQUAL(address, far_away);
    *word_at(far_away + page_size) = 5;
    *word_at(far_away + 3 * page_size) = 6;
    const auto again =
        user::map(page_size, {.address = far_away + 2 * page_size, .flags = abi::map_fixed});
    EXPECT_ERROR(again, Error::already_mapped);
    EXPECT_ERROR(
        user::map(8 * page_size, {.address = far_away - 4 * page_size, .flags = abi::map_fixed}),
        Error::already_mapped);
    EXPECT_EQUAL(*word_at(far_away + page_size), 5);
    REQUIRE(user::map(2 * page_size, {.address = far_away, .flags = abi::map_replace}));
    EXPECT_EQUAL(*word_at(far_away + page_size), 0);
    EXPECT_EQUAL(*word_at(far_away + 3 * page_size), 6);
    REQUIRE(user::unmap(far_away, 4 * page_size));
    REQUIRE(user::map(page_size, {.address = far_away, .flags = abi::map_replace}));
    REQUIRE(user::unmap(far_away, page_size));
}

void terabyte_costs_nothing() {
    constexpr std::uint64_t bytes = 1ULL << 40;
    const auto before = REQUIRE(user::process_info(abi::no_handle));
    EXPECT_ERROR(user::map(bytes), Error::no_memory); // promised memory must exist
    const auto address = REQUIRE(user::map(bytes, {.flags = abi::map_noreserve}));
    const auto after = REQUIRE(user::process_info(abi::no_handle));
    EXPECT(after.tables - before.tables <= 2);
    EXPECT(after.committed - before.committed <= 2);
    *word_at(address) = 1;
    *word_at(address + bytes / 2) = 2;
    *word_at(address + bytes - 8) = 3;
    EXPECT_EQUAL(*word_at(address + bytes / 2), 2);
    EXPECT_EQUAL(*word_at(address + bytes / 2 + page_size), 0);
    REQUIRE(user::unmap(address, bytes));
    const auto end = REQUIRE(user::process_info(abi::no_handle));
    EXPECT_EQUAL(end.anonymous, before.anonymous);
}

void partial_unmap() {
    constexpr std::uint64_t bytes = 8 * mebibyte;
    const auto address = REQUIRE(user::map(bytes));
    *word_at(address) = 1;
    *word_at(address + bytes - page_size) = 2;
    REQUIRE(user::unmap(address + 3 * mebibyte, page_size));
    REQUIRE(user::unmap(address + 4 * mebibyte, 2 * mebibyte));
    EXPECT_EQUAL(*word_at(address), 1);
    EXPECT_EQUAL(*word_at(address + bytes - page_size), 2);
    EXPECT_EQUAL(*word_at(address + 3 * mebibyte + page_size), 0);
    EXPECT_ERROR(user::discard(address + 3 * mebibyte, page_size), Error::not_mapped);
    EXPECT_ERROR(user::discard(address, bytes), Error::not_mapped);
    REQUIRE(user::unmap(address, bytes)); // holes in it are skipped
    REQUIRE(user::unmap(address, bytes));
}

void memory_comes_back() {
    constexpr std::uint64_t bytes = 16 * mebibyte;
    for (int round = 0; round < 3; ++round) {
        const auto before = REQUIRE(settled_memory());
        const auto own = REQUIRE(user::process_info(abi::no_handle));
        const auto address = REQUIRE(user::map(bytes));
        for (std::uint64_t at = 0; at < bytes; at += page_size) *word_at(address + at) = at;
        const auto during = REQUIRE(user::memory_info());
        EXPECT(during.anonymous - before.anonymous >= bytes / 1024);
        REQUIRE(user::unmap(address, bytes));
        const auto after = REQUIRE(settled_memory(before));
        EXPECT_EQUAL(after.anonymous, before.anonymous);
        EXPECT_EQUAL(after.free + after.reclaimable, before.free + before.reclaimable);
        EXPECT_EQUAL(REQUIRE(user::process_info(abi::no_handle)).anonymous, own.anonymous);
    }
}

/// Maps, splits and unmaps at changing places, and changes a page of a large mapping back and
/// forth: the tables needed in between are not kept.
void long_lives_silt_up_nothing() {
    constexpr std::uint64_t large = 1024 * gibibyte;
    constexpr unsigned rounds = 30'000;
    const auto reserved = REQUIRE(user::map(large, {.flags = abi::map_noreserve}));
    const auto before = REQUIRE(user::process_info(abi::no_handle));
    std::uint64_t random = 12345;
    for (unsigned round = 0; round < rounds; ++round) {
        random = random * 6364136223846793005 + 1442695040888963407;
        const std::uint64_t page = reserved + (random >> 20) % (large / page_size) * page_size;
        const auto own = REQUIRE(user::map(4 * mebibyte, {.flags = abi::map_noreserve}));
        REQUIRE(user::protect(own + mebibyte, page_size, abi::access_read));
        if (round % 2 == 0) {
            *word_at(page) = round;
            REQUIRE(user::discard(page, page_size));
        } else {
            REQUIRE(user::protect(page, page_size, abi::access_none));
            REQUIRE(user::protect(page, page_size, abi::access_read | abi::access_write));
        }
        REQUIRE(user::unmap(own, 4 * mebibyte));
    }
    const auto after = REQUIRE(user::process_info(abi::no_handle));
    EXPECT_EQUAL(after.anonymous, before.anonymous);
    // A few stay for reuse, with the two above each.
    EXPECT(after.tables <= before.tables + 24);
    REQUIRE(user::discard(reserved, large));
    EXPECT(REQUIRE(user::process_info(abi::no_handle)).tables <= before.tables + 8);
    REQUIRE(user::unmap(reserved, large));
}

constexpr Test tests[] = {
    {"lazy_memory_is_zero", lazy_memory_is_zero},
    {"read_then_write", read_then_write},
    {"faults_are_counted", faults_are_counted},
    {"discard_gives_zeros", discard_gives_zeros},
    {"sizes_and_addresses_are_checked", sizes_and_addresses_are_checked},
    {"first_fit_takes_the_first_hole", first_fit_takes_the_first_hole},
    {"alignment_is_kept", alignment_is_kept},
    {"fixed_and_replace", fixed_and_replace},
    {"terabyte_costs_nothing", terabyte_costs_nothing},
    {"partial_unmap", partial_unmap},
    {"memory_comes_back", memory_comes_back},
    {"long_lives_silt_up_nothing", long_lives_silt_up_nothing},
};

} // namespace

constinit const Suite memory_suite{"memory", tests};

} // namespace selftest
