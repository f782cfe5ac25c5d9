// SPDX-License-Identifier: MIT
// Replays a trace on the hosted map, with a model beside it, and checks each step: the runs that
// the map names against the model's ranges, what touched pages hold, and the map against itself.
#pragma once

#include "replay/model.hpp"
#include "replay/trace.hpp"
#include "shim/machine.hpp"
#include "vm/object.hpp"

#include <functional>
#include <memory>

namespace replay {

struct Outcome {
    std::size_t operations = 0;
    std::size_t refused = 0; ///< write and execute at once, each done as `rw-` then
};

class Replay {
public:
    /// `memory`: bytes that the machine has.
    explicit Replay(std::span<const Operation> operations, std::uint64_t memory = 512ULL << 20);
    /// One operation after another. Checks of the whole map come now and then, so that many
    /// operations take seconds, or with `each` after every one. Throws Failure.
    Outcome run(bool each);
    const vm::AddressSpace& space() const { return **space_; }

private:
    void step(const Operation& operation);
    void map(const Operation& operation);
    void map_anew(VirtRange range, Model::Kind kind);
    void protect(VirtRange range, std::uint64_t bits);
    void discard(VirtRange range);
    void remap(VirtRange from, VirtRange to);
    void brk(VirtAddr end);
    void fork();
    vm::Access access_of(std::uint64_t bits);
    std::size_t object_of(const Operation& operation);

    void touch_ends(VirtRange range);
    void touch(VirtAddr page);
    std::uint64_t read(vm::AddressSpace& space, VirtAddr page);
    void write(vm::AddressSpace& space, VirtAddr page, std::uint64_t value);
    void make_present(vm::AddressSpace& space, VirtAddr page, shim::Operation operation);

    void check(vm::AddressSpace& space, VirtRange range);
    void check_runs(const vm::AddressSpace& space, VirtRange range);
    void check_run(const abi::Run& run, const Model::Segment& segment);
    void check_whole();

    std::span<const Operation> operations_;
    shim::Machine machine_;
    std::vector<vm::ObjectRef> objects_; ///< as the model numbers them
    std::map<std::string, std::size_t> files_;
    std::uint64_t file_pages_ = 1; ///< of each file: all that any line maps
    Model model_;
    std::unique_ptr<shim::Space> space_;
    std::optional<VirtAddr> heap_end_;
    Outcome outcome_;
    unsigned line_ = 0;
};

/// A trace from beginning to end, and `after` with the space as it is then. If a check of the whole
/// map failed, once more with all checks at every step, so that the failure names its line.
Outcome replay_all(std::span<const Operation> operations,
                   const std::function<void(const vm::AddressSpace&)>& after = {});

} // namespace replay
