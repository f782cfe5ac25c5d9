// SPDX-License-Identifier: MIT
// The programs' heap, on pages of the host.
#include "user/lib/heap_core.cpp" // the programs' runtime is not part of the hosted build

#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <set>

namespace {

std::set<void*> regions;
bool refuse = false;

void* take(std::size_t bytes) {
    if (refuse) return nullptr;
    void* memory =
        std::aligned_alloc(user::HeapCore::slab_bytes, (bytes + user::HeapCore::slab_bytes - 1) &
                                                           ~(user::HeapCore::slab_bytes - 1));
    std::memset(memory, 0, bytes);
    regions.insert(memory);
    return memory;
}
void give_back(void* memory, std::size_t) {
    REQUIRE(regions.erase(memory) == 1);
    std::free(memory);
}

/// A test's pages. A heap lasts as long as its program and may keep slabs: they go with the test.
struct Pages {
    Pages() { refuse = false; }
    ~Pages() {
        for (void* memory : regions) std::free(memory);
        regions.clear();
    }
    Pages(const Pages&) = delete;
    Pages& operator=(const Pages&) = delete;
};

} // namespace

TEST_CASE("heap: random blocks never overlap and keep their content") {
    const Pages pages;
    user::HeapCore heap({take, give_back});
    std::mt19937_64 random(1);
    struct Block {
        std::size_t bytes;
        unsigned char mark;
    };
    std::map<unsigned char*, Block> blocks;
    for (int step = 0; step < 20'000; ++step) {
        if (blocks.size() > 300 || (!blocks.empty() && random() % 2 == 0)) {
            auto chosen = blocks.begin();
            std::advance(chosen, static_cast<long>(random() % blocks.size()));
            for (std::size_t i = 0; i < chosen->second.bytes; ++i) {
                REQUIRE(chosen->first[i] == chosen->second.mark);
            }
            heap.release(chosen->first);
            blocks.erase(chosen);
            continue;
        }
        const std::size_t bytes = random() % (step % 20 == 0 ? 100'000 : 3'000);
        auto* memory = static_cast<unsigned char*>(heap.allocate(bytes));
        REQUIRE(memory != nullptr);
        CHECK(reinterpret_cast<std::uintptr_t>(memory) % 16 == 0);
        REQUIRE(user::HeapCore::usable_bytes(memory) >= bytes);
        const auto above = blocks.lower_bound(memory);
        if (above != blocks.end()) REQUIRE(memory + bytes <= above->first);
        if (above != blocks.begin()) {
            const auto below = std::prev(above);
            REQUIRE(below->first + below->second.bytes <= memory);
        }
        const auto mark = static_cast<unsigned char>(random());
        std::memset(memory, mark, bytes);
        blocks[memory] = {bytes, mark};
    }
    for (const auto& [memory, block] : blocks) heap.release(memory);
    // One empty slab a class may stay for the next block.
    CHECK(regions.size() <= user::HeapCore::class_bytes.size());
    CHECK(heap.held() == regions.size() * user::HeapCore::slab_bytes);
}

TEST_CASE("heap: a block given back is used again, so that the heap does not grow") {
    const Pages pages;
    user::HeapCore heap({take, give_back});
    for (const std::size_t bytes : {1U, 16U, 100U, 4096U, 16'320U, 16'321U, 1'000'000U}) {
        heap.release(heap.allocate(bytes));
        const std::size_t held = heap.held();
        for (int i = 0; i < 1000; ++i) heap.release(heap.allocate(bytes));
        CHECK(heap.held() == held);
    }
}

TEST_CASE("heap: without pages there is no block, and nothing is lost") {
    const Pages pages;
    refuse = true;
    user::HeapCore heap({take, give_back});
    CHECK(heap.allocate(10) == nullptr);
    CHECK(heap.allocate(1'000'000) == nullptr);
    CHECK(heap.allocate(~std::size_t{0}) == nullptr);
    CHECK(heap.held() == 0);
    refuse = false;
    void* block = heap.allocate(10);
    CHECK(block != nullptr);
    heap.release(block);
    heap.release(nullptr);
}
