// SPDX-License-Identifier: MIT
// Rights: what protect allows, and that the processor enforces it.
#include "user/selftest/child.hpp"
#include "user/selftest/framework.hpp"
#include "user/selftest/machine.hpp"

namespace selftest {
namespace {

constexpr std::uint32_t read_write = abi::access_read | abi::access_write;
constexpr std::uint32_t read_execute = abi::access_read | abi::access_execute;

volatile std::uint64_t* word_at(std::uint64_t address) {
    return reinterpret_cast<volatile std::uint64_t*>(address);
}

void write_and_execute_never_meet() {
    constexpr std::uint32_t both = abi::access_write | abi::access_execute;
    EXPECT_ERROR(user::map(page_size, {.access = both}), Error::not_permitted);
    EXPECT_ERROR(user::map(page_size, {.access = both | abi::access_read}), Error::not_permitted);
    const auto page = REQUIRE(user::map(page_size));
    EXPECT_ERROR(user::protect(page, page_size, both | abi::access_read), Error::not_permitted);
    *word_at(page) = 1; // still writable
    REQUIRE(user::unmap(page, page_size));
}

/// Code is written first and executable afterwards.
void alternating_rights() {
    const auto page = REQUIRE(user::map(page_size));
    constexpr unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3}; // mov eax, 42; ret
    __builtin_memcpy(reinterpret_cast<void*>(page), code, sizeof code);
    REQUIRE(user::protect(page, page_size, read_execute));
    EXPECT_EQUAL(reinterpret_cast<int (*)()>(page)(), 42);
    REQUIRE(user::protect(page, page_size, read_write));
    *reinterpret_cast<volatile unsigned char*>(page + 1) = 43;
    REQUIRE(user::protect(page, page_size, read_execute));
    EXPECT_EQUAL(reinterpret_cast<int (*)()>(page)(), 43);
    REQUIRE(user::unmap(page, page_size));
}

void content_outlives_no_access() {
    constexpr std::uint64_t pages = 4;
    const auto address = REQUIRE(user::map(pages * page_size));
    *word_at(address) = 11;
    *word_at(address + 2 * page_size) = 22;
    REQUIRE(user::protect(address, pages * page_size, abi::access_none));
    REQUIRE(user::protect(address, pages * page_size, abi::access_read));
    EXPECT_EQUAL(*word_at(address), 11);
    EXPECT_EQUAL(*word_at(address + page_size), 0);
    EXPECT_EQUAL(*word_at(address + 2 * page_size), 22);
    REQUIRE(user::protect(address, pages * page_size, read_write));
    *word_at(address + page_size) = 33;
    EXPECT_EQUAL(*word_at(address + page_size), 33);
    REQUIRE(user::unmap(address, pages * page_size));
}

/// Rights of lazy memory outlive the first touch.
void lazy_keeps_its_rights() {
    const auto address = REQUIRE(user::map(2 * page_size));
    REQUIRE(user::protect(address, 2 * page_size, abi::access_read));
    EXPECT_EQUAL(*word_at(address), 0);
    const auto run = REQUIRE(user::nearest(abi::no_handle, address, abi::Direction::up));
    EXPECT_EQUAL(run.access, abi::access_read);
    REQUIRE(user::protect(address, 2 * page_size, read_write));
    *word_at(address) = 1; // the zero frame must not be written
    const auto other = REQUIRE(user::map(page_size));
    EXPECT_EQUAL(*word_at(other), 0);
    REQUIRE(user::unmap(other, page_size));
    REQUIRE(user::unmap(address, 2 * page_size));
}

void ranges_are_checked() {
    const auto address = REQUIRE(user::map(3 * page_size));
    REQUIRE(user::unmap(address + page_size, page_size));
    EXPECT_ERROR(user::protect(address, 3 * page_size, abi::access_read), Error::not_mapped);
    *word_at(address) = 1; // nothing of it happened
    EXPECT_ERROR(user::protect(address + page_size, page_size, abi::access_read),
                 Error::not_mapped);
    EXPECT_ERROR(user::protect(address, 0, abi::access_read), Error::invalid_argument);
    EXPECT_ERROR(user::protect(address + 1, page_size, abi::access_read), Error::invalid_argument);
    EXPECT_ERROR(user::protect(address, page_size + 1, abi::access_read), Error::invalid_argument);
    EXPECT_ERROR(user::protect(address, page_size, 8), Error::invalid_argument);
    EXPECT_ERROR(user::protect(address, page_size, ~0U), Error::invalid_argument);
    EXPECT_ERROR(user::protect(address, ~0ULL << 12, abi::access_read), Error::invalid_argument);
    EXPECT_ERROR(user::protect(0xffff'8000'0000'0000, page_size, abi::access_read),
                 Error::invalid_argument);
    REQUIRE(user::unmap(address, 3 * page_size));
}

/// Kernel memory cannot be had by any call on the map.
void kernel_half_is_out_of_reach() {
    constexpr std::uint64_t kernel[] = {0xffff'8000'0000'0000, 0xffff'ffff'8000'0000,
                                        0xffff'ffff'ffff'f000};
    for (const std::uint64_t address : kernel) {
        EXPECT_ERROR(user::unmap(address, page_size), Error::invalid_argument);
        EXPECT_ERROR(user::discard(address, page_size), Error::invalid_argument);
        EXPECT_ERROR(user::protect(address, page_size, read_write), Error::invalid_argument);
        EXPECT(!user::map(page_size, {.address = address, .flags = abi::map_replace}));
        EXPECT(!user::map(page_size, {.address = address}));
        EXPECT(!user::nearest(abi::no_handle, address, abi::Direction::up));
    }
}

void forbidden_accesses_end_the_process() {
    EXPECT_EQUAL(REQUIRE(run_child({"write-protected"})), fault_status);
    EXPECT_EQUAL(REQUIRE(run_child({"read-none"})), fault_status);
    EXPECT_EQUAL(REQUIRE(run_child({"read-guard"})), fault_status);
    EXPECT_EQUAL(REQUIRE(run_child({"write-text"})), fault_status);
    constexpr int went_well = 2;
    EXPECT_EQUAL(REQUIRE(run_child({"run-data"})), has_no_execute() ? fault_status : went_well);
    EXPECT_EQUAL(REQUIRE(run_child({"touch-after-unmap"})), fault_status);
    EXPECT_EQUAL(REQUIRE(run_child({"thread-overflow"})), fault_status);
}

/// A large range in the middle of a larger one.
void large_ranges() {
    constexpr std::uint64_t gibibyte = 1 << 30;
    constexpr std::uint64_t bytes = 8 * gibibyte;
    const auto address = REQUIRE(user::map(bytes, {.flags = abi::map_noreserve}));
    const std::uint64_t middle = address + 2 * gibibyte;
    REQUIRE(user::protect(middle, gibibyte, abi::access_read));
    REQUIRE(user::protect(middle + 5 * page_size, page_size, abi::access_none));
    *word_at(address) = 1;
    *word_at(middle + gibibyte) = 2;
    EXPECT_EQUAL(*word_at(middle), 0);
    EXPECT_EQUAL(*word_at(middle + gibibyte - 8), 0);
    REQUIRE(user::protect(address, bytes, read_write));
    *word_at(middle + 5 * page_size) = 3;
    EXPECT_EQUAL(*word_at(middle + 5 * page_size), 3);
    REQUIRE(user::unmap(address, bytes));
}

constexpr Test tests[] = {
    {"write_and_execute_never_meet", write_and_execute_never_meet},
    {"alternating_rights", alternating_rights},
    {"content_outlives_no_access", content_outlives_no_access},
    {"lazy_keeps_its_rights", lazy_keeps_its_rights},
    {"ranges_are_checked", ranges_are_checked},
    {"kernel_half_is_out_of_reach", kernel_half_is_out_of_reach},
    {"forbidden_accesses_end_the_process", forbidden_accesses_end_the_process},
    {"large_ranges", large_ranges},
};

} // namespace

constinit const Suite protection_suite{"protection", tests};

} // namespace selftest
