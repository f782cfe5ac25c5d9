// SPDX-License-Identifier: MIT
// What is measured.
#pragma once

#include "compare/all.hpp"
#include "compare/bench/measure.hpp"

#include <functional>
#include <string>

namespace compare {

/// One structure under measurement.
struct Subject {
    std::string_view name;
    Measure& measure;
    Frames& frames;
    /// Bytes that its maps take beside the memory that they map.
    std::function<std::uint64_t()> overhead;

    std::unique_ptr<Map> make() const { return compare::make(name, frames); }
    void row(const std::string& work) const { measure.row(work, name); }
};

/// A recorded trace: each of its operations.
void replay(const Subject& subject, const std::string& trace);
/// So many mappings of 4 pages, holes of one page between them.
void many_mappings(const Subject& subject, std::size_t count);
/// So many holes of one page, and two pages wanted.
void fragmented(const Subject& subject, std::size_t holes);
/// A terabyte reserved.
void sparse(const Subject& subject);
/// So many MiB touched: fork, the writes after it, protect, unmap.
void touched(const Subject& subject, std::uint64_t mib);

} // namespace compare
