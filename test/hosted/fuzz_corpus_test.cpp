// SPDX-License-Identifier: MIT
// Every committed input of every fuzz target, once (test/fuzz/README.md).
#include "fuzz/fuzz.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

namespace {

std::vector<std::byte> read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    REQUIRE(file);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    const auto whole = std::as_bytes(std::span(bytes));
    return {whole.begin(), whole.end()};
}

/// Runs a target over a directory's files, in order; gives their number.
std::size_t run_all(const fuzz::Target& target, const std::filesystem::path& directory) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        files.push_back(entry.path());
    }
    std::ranges::sort(files);
    for (const std::filesystem::path& file : files) {
        CAPTURE(file.string());
        std::vector<std::byte> bytes = read(file);
        CHECK_NOTHROW(target.run(bytes));
        // Mended and cut off in the middle it keeps its promises as well.
        if (target.repair != nullptr) {
            target.repair(bytes);
            CHECK_NOTHROW(target.run(bytes));
        }
        bytes.resize(bytes.size() / 2);
        bytes.shrink_to_fit();
        CHECK_NOTHROW(target.run(bytes));
    }
    return files.size();
}

} // namespace

#define FUZZ_CASE(name)                                                                            \
    TEST_CASE("fuzz corpus: " #name) {                                                             \
        CHECK(run_all(fuzz::name, "test/fuzz/corpus/" #name) > 10);                                \
        CHECK(run_all(fuzz::name, "test/fuzz/seeds/" #name) > 0);                                  \
        CHECK_NOTHROW(fuzz::name.run({}));                                                         \
    }
FUZZ_TARGETS(FUZZ_CASE)
