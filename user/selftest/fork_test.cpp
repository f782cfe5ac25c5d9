// SPDX-License-Identifier: MIT
// Fork: memory that is the same in the copy, and then differs.
#include "user/selftest/fork_cases.hpp"

#include "user/lib/heap.hpp"

#include <array>

namespace selftest {
namespace {

constexpr std::uint64_t mebibyte = 1 << 20;

/// Parent and copy take turns by two notifications.
struct Turns {
    user::OwnedHandle parent;
    user::OwnedHandle copy;
    static Result<Turns> make() {
        return Turns{user::OwnedHandle(TRY(user::notification_create())),
                     user::OwnedHandle(TRY(user::notification_create()))};
    }
    void wait_in_copy() const { EXPECT_OK(user::wait(copy.get())); }
    /// Lets the copy go on, and waits until it waits again.
    void let_copy() const {
        EXPECT_OK(user::signal(copy.get(), 1));
        EXPECT_OK(user::wait(parent.get()));
    }
    void back_to_parent() const { EXPECT_OK(user::signal(parent.get(), 1)); }
};

std::uint64_t in_data = 5;

void same_and_then_different() {
    const auto memory = REQUIRE(user::map(3 * page_size));
    auto* const on_heap = static_cast<std::uint64_t*>(user::allocate(64));
    volatile std::uint64_t on_stack = 6;
    *on_heap = 7;
    word_at(memory + page_size) = 8;
    const Turns turns = REQUIRE(Turns::make());
    const auto in_child = [&] {
        EXPECT(user::process_id() != 0);
        EXPECT_EQUAL(in_data, 5);
        EXPECT_EQUAL(on_stack, 6);
        EXPECT_EQUAL(*on_heap, 7);
        EXPECT_EQUAL(word_at(memory + page_size), 8);
        turns.wait_in_copy(); // the parent has written meanwhile
        EXPECT_EQUAL(in_data, 5);
        EXPECT_EQUAL(on_stack, 6);
        EXPECT_EQUAL(*on_heap, 7);
        EXPECT_EQUAL(word_at(memory + page_size), 8);
        EXPECT_EQUAL(word_at(memory), 0);
        in_data = *on_heap = 9;
        on_stack = 9;
        word_at(memory + page_size) = 9;
        word_at(memory + 2 * page_size) = 10;
        turns.back_to_parent();
        turns.wait_in_copy();
        EXPECT_EQUAL(in_data + on_stack + *on_heap + word_at(memory + page_size), 36);
    };
    const auto child = REQUIRE(start_copy(in_child));
    in_data = 15;
    on_stack = 16;
    *on_heap = 17;
    word_at(memory + page_size) = 18;
    word_at(memory) = 19;
    turns.let_copy();
    EXPECT_EQUAL(in_data, 15);
    EXPECT_EQUAL(on_stack, 16);
    EXPECT_EQUAL(*on_heap, 17);
    EXPECT_EQUAL(word_at(memory + page_size), 18);
    EXPECT_EQUAL(word_at(memory + 2 * page_size), 0);
    EXPECT_OK(user::signal(turns.copy.get(), 1));
    EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), 0);
    in_data = 5;
    user::release(on_heap);
    REQUIRE(user::unmap(memory, 3 * page_size));
}

/// Parent, child and grandchild write the same page, one after the other and then all again.
void three_writers() {
    const auto page = REQUIRE(user::map(page_size));
    word_at(page) = 1;
    in_copy([&] {
        EXPECT_EQUAL(word_at(page), 1);
        word_at(page) = 2;
        in_copy([&] {
            EXPECT_EQUAL(word_at(page), 2);
            word_at(page) = 3;
            word_at(page + 8) = 33;
            EXPECT_EQUAL(word_at(page), 3);
        });
        EXPECT_EQUAL(word_at(page), 2);
        EXPECT_EQUAL(word_at(page + 8), 0);
        word_at(page) = 22;
    });
    EXPECT_EQUAL(word_at(page), 1);
    EXPECT_EQUAL(word_at(page + 8), 0);
    // All three at once.
    const auto write = [&](std::uint64_t own) {
        for (std::uint64_t i = 0; i < 200; ++i) {
            word_at(page + 16) = own + i;
            if (i % 50 == 0) user::yield();
            EXPECT_EQUAL(word_at(page + 16), own + i);
        }
    };
    const auto in_child = [&] {
        const auto grandchild = REQUIRE(start_copy([&] { write(3'000); }));
        write(2'000);
        EXPECT_EQUAL(REQUIRE(user::process_wait(grandchild.get())), 0);
    };
    const auto child = REQUIRE(start_copy(in_child));
    write(1'000);
    EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), 0);
    REQUIRE(user::unmap(page, page_size));
}

/// A system call that writes into a page which two processes have.
void kernel_writes() {
    const auto page = REQUIRE(user::map(page_size));
    const auto tell = [&] {
        return user::system_call<user::Call::process_info>(abi::no_handle, page, 8) == 8;
    };
    EXPECT(tell());
    const std::uint64_t own = word_at(page);
    EXPECT_EQUAL(own, user::process_id());
    in_copy([&] {
        EXPECT_EQUAL(word_at(page), own);
        EXPECT(tell());
        EXPECT_EQUAL(word_at(page), user::process_id());
        EXPECT(word_at(page) != own);
    });
    EXPECT_EQUAL(word_at(page), own);
    const Turns turns = REQUIRE(Turns::make());
    word_at(page) = 4;
    const auto in_child = [&] {
        turns.wait_in_copy();
        EXPECT_EQUAL(word_at(page), 4);
    };
    const auto child = REQUIRE(start_copy(in_child));
    EXPECT(tell());
    EXPECT_EQUAL(word_at(page), own);
    EXPECT_OK(user::signal(turns.copy.get(), 1));
    EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), 0);
    REQUIRE(user::unmap(page, page_size));
}

/// Whole tables, and a border between two: each page is written on one side or the other.
void every_page_of_two_tables() {
    constexpr std::uint64_t bytes = 4 * mebibyte;
    const auto memory = REQUIRE(user::map(bytes));
    for (std::uint64_t at = 0; at < bytes; at += page_size) word_at(memory + at) = at + 1;
    const auto before = REQUIRE(user::process_info(abi::no_handle));
    const auto write_and_compare = [&](std::uint64_t first, std::uint64_t own) {
        for (std::uint64_t at = first; at < bytes; at += 2 * page_size)
            word_at(memory + at) = at + own;
        for (std::uint64_t at = 0; at < bytes; at += page_size) {
            const bool written = at % (2 * page_size) == first;
            if (word_at(memory + at) != at + (written ? own : 1)) fail("a page of the other", {});
        }
    };
    const auto child = REQUIRE(start_copy([&] { write_and_compare(0, 2); }));
    write_and_compare(page_size, 3);
    EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), 0);
    // Alone again: what the copy had is given back, what this one has stays and can be written.
    for (std::uint64_t at = 0; at < bytes; at += page_size) word_at(memory + at) = at + 4;
    const auto own = REQUIRE(user::process_info(abi::no_handle));
    for (std::uint64_t at = 0; at < bytes; at += page_size)
        if (word_at(memory + at) != at + 4) fail("memory forgot", {});
    EXPECT(own.anonymous >= before.anonymous);
    EXPECT(own.anonymous <= before.anonymous + 8); // its stack's
    REQUIRE(user::unmap(memory, bytes));
}

/// Pages that nobody touched, and such that were only read, are zero on both sides, whoever is
/// first.
void zeros_stay_zeros() {
    constexpr std::uint64_t pages = 16;
    const auto memory = REQUIRE(user::map(pages * page_size));
    for (std::uint64_t page = 0; page < pages; page += 2)
        EXPECT_EQUAL(word_at(memory + page * page_size), 0);
    const auto write = [&](std::uint64_t modulus, std::uint64_t own) {
        for (std::uint64_t page = modulus; page < pages; page += 4)
            word_at(memory + page * page_size) = own;
        for (std::uint64_t page = 0; page < pages; ++page) {
            const std::uint64_t word = word_at(memory + page * page_size);
            EXPECT_EQUAL(word, page % 4 == modulus ? own : 0);
        }
    };
    in_copy([&] {
        write(0, 1);
        in_copy([&] {
            for (std::uint64_t page = 0; page < pages; page += 4)
                word_at(memory + page * page_size) = 0;
            write(1, 2);
        });
    });
    write(2, 3);
    REQUIRE(user::unmap(memory, pages * page_size));
}

/// What a mapping has beyond the bytes that were written is zero in the copy too.
void tails_are_zero() {
    const auto memory = REQUIRE(user::map(2 * page_size));
    auto* const bytes = reinterpret_cast<volatile unsigned char*>(memory);
    for (unsigned i = 0; i < 100; ++i) bytes[i] = 0xff;
    in_copy([&] {
        for (std::uint64_t i = 0; i < 2 * page_size; ++i)
            if (bytes[i] != (i < 100 ? 0xff : 0)) fail("a tail is not zero", {});
    });
    REQUIRE(user::unmap(memory, 2 * page_size));
}

constexpr Test tests[] = {
    {"same_and_then_different", same_and_then_different},
    {"three_writers", three_writers},
    {"kernel_writes", kernel_writes},
    {"every_page_of_two_tables", every_page_of_two_tables},
    {"zeros_stay_zeros", zeros_stay_zeros},
    {"tails_are_zero", tails_are_zero},
    {"states_are_kept", states_are_kept},
    {"parked_memory_comes_back", parked_memory_comes_back},
    {"huge_pages_are_shared", huge_pages_are_shared},
    {"windows_stay_their_owners", windows_stay_their_owners},
    {"changes_in_the_copy_stay_there", changes_in_the_copy_stay_there},
    {"changes_in_the_parent_stay_there", changes_in_the_parent_stay_there},
    {"registers_are_kept", registers_are_kept},
    {"vector_registers_are_kept", vector_registers_are_kept},
    {"segment_bases_are_kept", segment_bases_are_kept},
    {"only_the_caller_survives", only_the_caller_survives},
    {"the_runtime_is_whole", the_runtime_is_whole},
    {"upcalls_are_kept", upcalls_are_kept},
    {"handles_are_kept", handles_are_kept},
    {"calls_to_answer_are_not", calls_to_answer_are_not},
    {"a_copy_spawns", a_copy_spawns},
    {"four_at_once", four_at_once},
    {"while_others_change_the_map", while_others_change_the_map},
    {"promised_and_unpromised_memory", promised_and_unpromised_memory},
    {"at_the_handle_limit", at_the_handle_limit},
    {"thousand_generations", thousand_generations},
    {"bomb_in_a_quota", bomb_in_a_quota},
    {"killed_while_forking", killed_while_forking},
};

} // namespace

constinit const Suite fork_suite{"fork", tests};

} // namespace selftest
