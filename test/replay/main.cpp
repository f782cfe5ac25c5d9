// SPDX-License-Identifier: MIT
// replay FILE [--picture OUT.svg]: a recorded trace of memory-map operations on the hosted map.
// Exit status 0 only if every check held; else `replay: LINE: why`.
#include "replay/picture.hpp"
#include "replay/replay.hpp"
#include "shim/check.hpp"

#include <cstdio>
#include <cstring>
#include <fstream>

namespace {

using replay::Failure;

void write_picture(const std::string& name, const vm::AddressSpace& space,
                   const std::string& title) {
    std::ofstream out(name, std::ios::binary);
    replay::draw(out, shim::all_runs(space, 1024), title);
    if (!out.flush()) throw Failure(0, "cannot write " + name);
}

int run(const std::string& file, const char* picture) {
    const std::vector<replay::Operation> operations = replay::parse_file(file);
    const auto outcome = replay::replay_all(operations, [&](const vm::AddressSpace& space) {
        if (picture != nullptr) write_picture(picture, space, file.substr(file.rfind('/') + 1));
    });
    std::printf("replayed %zu operations, %zu refused\n", outcome.operations, outcome.refused);
    return 0;
}

} // namespace

int main(int count, char** words) {
    const bool with_picture = count == 4 && std::strcmp(words[2], "--picture") == 0;
    if (count != 2 && !with_picture) {
        std::fputs("usage: replay FILE [--picture OUT.svg]\n", stderr);
        return 2;
    }
    try {
        return run(words[1], with_picture ? words[3] : nullptr);
    } catch (const Failure& failure) {
        if (failure.line != 0)
            std::fprintf(stderr, "replay: %u: %s\n", failure.line, failure.what());
        else
            std::fprintf(stderr, "replay: %s\n", failure.what());
    }
    return 1;
}
