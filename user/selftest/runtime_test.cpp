// SPDX-License-Identifier: MIT
// The programs' own runtime: heap, texts, numbers, files, directory.
#include "lib/format.hpp"
#include "user/lib/directory.hpp"
#include "user/lib/files.hpp"
#include "user/lib/heap.hpp"
#include "user/lib/heap_core.hpp"
#include "user/lib/numbers.hpp"
#include "user/lib/program.hpp"
#include "user/lib/thread.hpp"
#include "user/lib/vector.hpp"
#include "user/selftest/child.hpp"
#include "user/selftest/framework.hpp"

#include <array>

namespace selftest {
namespace {

/// Random sizes, filled, checked and given back in another order.
bool exercise_heap(std::uint64_t seed) {
    struct Block {
        unsigned char* memory = nullptr;
        std::size_t bytes = 0;
    };
    std::array<Block, 64> blocks{};
    const auto next = [&] {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        return seed >> 33;
    };
    bool good = true;
    const auto drop = [&](Block& block) {
        const auto mark = static_cast<unsigned char>(block.bytes);
        for (std::size_t i = 0; i < block.bytes; ++i) good = good && block.memory[i] == mark;
        user::release(block.memory);
        block = {};
    };
    for (int step = 0; step < 2000; ++step) {
        Block& block = blocks[next() % blocks.size()];
        if (block.memory != nullptr) drop(block);
        const std::size_t bytes = next() % (step % 50 == 0 ? 200'000 : 2'000);
        block = {static_cast<unsigned char*>(user::allocate(bytes)), bytes};
        if (block.memory == nullptr) return false;
        good = good && reinterpret_cast<std::uintptr_t>(block.memory) % 16 == 0;
        __builtin_memset(block.memory, static_cast<unsigned char>(bytes), bytes);
    }
    for (Block& block : blocks) {
        if (block.memory != nullptr) drop(block);
    }
    return good;
}

void heap_keeps_content() {
    EXPECT(exercise_heap(1));
    for (std::uint64_t seed = 2; seed < 6; ++seed) EXPECT(exercise_heap(seed));
    // Of all that was given back, one slab a class may stay.
    using user::HeapCore;
    EXPECT(user::heap_held() <= HeapCore::class_bytes.size() * HeapCore::slab_bytes);
}

void heap_serves_threads() {
    std::array<std::atomic<bool>, 3> good{};
    struct Context {
        std::uint64_t seed;
        std::atomic<bool>& good;
    };
    std::array<Context, 3> contexts{{{11, good[0]}, {12, good[1]}, {13, good[2]}}};
    const auto work = [](void* argument) {
        auto& context = *static_cast<Context*>(argument);
        context.good.store(exercise_heap(context.seed));
    };
    auto a = REQUIRE(user::Thread::start(work, &contexts[0]));
    auto b = REQUIRE(user::Thread::start(work, &contexts[1]));
    work(&contexts[2]);
    REQUIRE(a.join());
    REQUIRE(b.join());
    for (const auto& each : good) EXPECT(each.load());
}

void heap_limits() {
    EXPECT(user::allocate(~std::size_t{0}) == nullptr);
    EXPECT(user::allocate(~std::size_t{0} / 2) == nullptr);
    EXPECT(user::allocate(std::size_t{1} << 45) == nullptr);
    void* nothing = user::allocate(0);
    EXPECT(nothing != nullptr);
    user::release(nothing);
    user::release(nullptr);
    auto* text = static_cast<char*>(user::allocate(4));
    __builtin_memcpy(text, "abc", 4);
    text = static_cast<char*>(user::reallocate(text, 100'000));
    EXPECT(std::string_view(text) == "abc");
    text = static_cast<char*>(user::reallocate(text, 8));
    EXPECT(std::string_view(text) == "abc");
    user::release(text);
}

void vectors_and_texts() {
    user::Vector<user::Text> texts;
    for (int i = 0; i < 100; ++i) {
        lib::FixedText<32> word;
        word.format("word {}", i);
        texts.push(user::Text(word.view()));
    }
    texts.erase(50);
    EXPECT_EQUAL(texts.size(), 99);
    EXPECT(texts[49].view() == "word 49" && texts[50].view() == "word 51");
    user::Text text("a");
    for (int i = 0; i < 1000; ++i) text.append("bc");
    EXPECT_EQUAL(text.view().size(), 2001);
}

void numbers() {
    EXPECT_EQUAL(REQUIRE(user::parse_number("0")), 0);
    EXPECT_EQUAL(REQUIRE(user::parse_number("18446744073709551615")), ~0ULL);
    EXPECT_ERROR(user::parse_number("18446744073709551616"), Error::too_large);
    EXPECT_ERROR(user::parse_number(""), Error::invalid_argument);
    EXPECT_ERROR(user::parse_number("-1"), Error::invalid_argument);
    EXPECT_ERROR(user::parse_number("1x"), Error::invalid_argument);
    EXPECT_EQUAL(REQUIRE(user::parse_size("64M")), 64 << 20);
    EXPECT_EQUAL(REQUIRE(user::parse_size("1K")), 1024);
    EXPECT_EQUAL(REQUIRE(user::parse_size("3G")), 3LL << 30);
    for (const std::string_view bad : {"", "64", "M", "64m", "-1M", "6 4M", "64MB"})
        EXPECT_ERROR(user::parse_size(bad), Error::invalid_argument);
    EXPECT_ERROR(user::parse_size("17179869184G"), Error::too_large);
    EXPECT_EQUAL(REQUIRE(user::parse_seconds("2")), 2'000'000'000);
    EXPECT_EQUAL(REQUIRE(user::parse_seconds("0.25")), 250'000'000);
    EXPECT_EQUAL(REQUIRE(user::parse_seconds("1.000000001")), 1'000'000'001);
    EXPECT_ERROR(user::parse_seconds("1."), Error::invalid_argument);
    EXPECT_ERROR(user::parse_seconds(".5"), Error::invalid_argument);
    EXPECT_ERROR(user::parse_seconds("99999999999999"), Error::too_large);
}

void files() {
    const auto file = REQUIRE(user::open_file("/bin/true"));
    EXPECT(file.kind == user::FileKind::file);
    EXPECT(lib::as_text(file.content)
               .starts_with("\x7f"
                            "ELF"));
    EXPECT(REQUIRE(user::open_file("/")).kind == user::FileKind::directory);
    EXPECT(REQUIRE(user::open_file("bin")).kind == user::FileKind::directory);
    EXPECT_ERROR(user::open_file("/no/such/file"), Error::not_found);
    EXPECT_ERROR(user::open_file("bin/tru"), Error::not_found);
    unsigned found = 0;
    const auto listed = user::list_files("/bin", [&](const user::FileName& name) {
        if (name.name == "true" && name.bytes == file.content.size()) ++found;
        if (name.name.find('/') != std::string_view::npos) fail("a name has a slash", {});
    });
    EXPECT_OK(listed);
    EXPECT_EQUAL(found, 1);
    EXPECT(!user::list_files("/bin/true", [](const user::FileName&) {}));
}

void directory() {
    std::uint64_t last = 0;
    bool init = false;
    for (;;) {
        const auto entry = user::directory::next(last);
        if (!entry) {
            EXPECT_ERROR(entry, Error::not_found);
            break;
        }
        EXPECT(entry->id > last);
        last = entry->id;
        if (entry->name_view() == "init") init = true;
    }
    EXPECT(init);
    const auto child = REQUIRE(start_child({"sleep"}));
    const auto id = REQUIRE(user::directory::enroll(child.get()));
    EXPECT_EQUAL(id, REQUIRE(user::process_info(child.get())).id);
    EXPECT_EQUAL(REQUIRE(user::directory::state(id)).threads, 1);
    EXPECT_ERROR(user::directory::remove(id), Error::not_permitted);
    const auto found = REQUIRE(user::directory::find(id));
    REQUIRE(user::process_kill(found.get(), 6));
    EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), 6);
    EXPECT_OK(user::directory::remove(id));
    EXPECT_ERROR(user::directory::find(id), Error::not_found);
    EXPECT_ERROR(user::directory::state(id), Error::not_found);
    EXPECT_ERROR(user::directory::enroll(user::handles.console), Error::bad_handle);
    abi::Message nonsense{};
    nonsense.words[0] = ~0ULL;
    REQUIRE(user::call(user::handles.directory, nonsense));
    EXPECT_EQUAL(nonsense.words[0], static_cast<std::uint64_t>(Error::invalid_argument));
}

void kernel_runs() {
    std::uint64_t from = 0;
    unsigned count = 0;
    for (; count < 100'000; ++count) {
        const auto run = user::directory::kernel_run(from);
        if (!run) break;
        EXPECT(run->start >= 0xffff'8000'0000'0000);
        EXPECT(run->start >= from && run->end - run->start > 0);
        constexpr std::uint32_t both = abi::access_write | abi::access_execute;
        EXPECT((run->access & both) != both);
        from = run->end;
        if (from == 0) break;
    }
    EXPECT(count > 3);
}

constexpr Test tests[] = {
    {"heap_keeps_content", heap_keeps_content},
    {"heap_serves_threads", heap_serves_threads},
    {"heap_limits", heap_limits},
    {"vectors_and_texts", vectors_and_texts},
    {"numbers", numbers},
    {"files", files},
    {"directory", directory},
    {"kernel_runs", kernel_runs},
};

} // namespace

constinit const Suite runtime_suite{"runtime", tests};

} // namespace selftest
