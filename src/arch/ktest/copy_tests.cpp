// SPDX-License-Identifier: MIT
// User memory through the exception table.
#include "arch/ktest/ktest.hpp"
#include "arch/ktest/user_page.hpp"
#include "proc/port.hpp"

#include <array>
#include <string_view>

namespace arch::ktest {
namespace {

using proc::port::copy_from_user;
using proc::port::copy_to_user;

constexpr std::string_view words = "through the exception table";

bool is_bad_address(const Result<void>& result) { return result.error() == Error::bad_address; }

KERNEL_TEST(copies, "user copies arrive, at every alignment") {
    UserPage page;
    EXPECT(page.create(vm::Access::read_write()).ok(), "out of memory");
    for (std::uint64_t offset = 0; offset < 16; ++offset) {
        const VirtAddr at = UserPage::range.end - words.size() - offset;
        EXPECT(copy_to_user(at, words.data(), words.size()).ok(), "a good pointer was refused");
        std::array<char, words.size()> back{};
        EXPECT(copy_from_user(back.data(), at, back.size()).ok(), "a good pointer was refused");
        EXPECT((std::string_view{back.data(), back.size()} == words), "other bytes came back");
    }
    EXPECT(copy_from_user(nullptr, VirtAddr{0}, 0).ok(), "nothing is too much");
    return Verdict::passed();
}

KERNEL_TEST(bad_pointers, "a bad user pointer gives an error") {
    UserPage page;
    EXPECT(page.create(vm::Access::read_write()).ok(), "out of memory");
    std::array<char, 32> buffer{};
    for (const VirtAddr bad : {VirtAddr{0}, UserPage::range.end, UserPage::address - 64,
                               VirtAddr{0x7fff'ffff'f000}, VirtAddr{0x8000'0000'0000}}) {
        EXPECT(is_bad_address(copy_from_user(buffer.data(), bad, buffer.size())), "it was read");
        EXPECT(is_bad_address(copy_to_user(bad, buffer.data(), buffer.size())), "it was written");
    }
    return Verdict::passed();
}

KERNEL_TEST(half_bad_pointers, "a user pointer that becomes bad half-way gives an error") {
    UserPage page;
    EXPECT(page.create(vm::Access::read_write()).ok(), "out of memory");
    std::array<char, 32> buffer{};
    for (std::uint64_t good = 1; good < buffer.size(); ++good) {
        const VirtAddr at = UserPage::range.end - good;
        EXPECT(is_bad_address(copy_from_user(buffer.data(), at, buffer.size())), "it was read");
        EXPECT(is_bad_address(copy_to_user(at, buffer.data(), buffer.size())), "it was written");
    }
    return Verdict::passed();
}

KERNEL_TEST(read_only_user_page, "write protection holds for the kernel's copies too") {
    UserPage page;
    EXPECT(page.create(vm::Access::read()).ok(), "out of memory");
    std::array<char, 32> buffer{};
    EXPECT(copy_from_user(buffer.data(), UserPage::address, 32).ok(), "it can't be read");
    EXPECT(is_bad_address(copy_to_user(UserPage::address, buffer.data(), 32)), "it was written");
    return Verdict::passed();
}

KERNEL_TEST(lazy_user_page, "a copy resolves lazy pages on its way") {
    UserPage page;
    EXPECT(page.create(vm::Access::read_write()).ok(), "out of memory");
    const auto more = page.space().map(
        {.address = UserPage::range.end, .pages = {3}, .placement = vm::Placement::fixed});
    EXPECT(more.ok(), "out of memory");
    std::array<char, 64> buffer{};
    buffer.fill('x');
    EXPECT(copy_from_user(buffer.data(), UserPage::range.end + page_size - 32, 64).ok(),
           "they were refused");
    for (const char c : buffer) EXPECT(c == 0, "lazy memory is not zero");
    buffer.fill('y');
    EXPECT(copy_to_user(UserPage::range.end - 32, buffer.data(), 64).ok(), "they were refused");
    return Verdict::passed();
}

} // namespace
} // namespace arch::ktest
