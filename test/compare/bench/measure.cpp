// SPDX-License-Identifier: MIT
#include "compare/bench/measure.hpp"

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <string>

namespace compare {

void Measure::row(std::string_view work, std::string_view structure) {
    const std::string name = std::string(work) + "." + std::string(structure);
    if (!timing_) {
        std::printf("%s\t%zu\n", name.c_str(), count_);
    } else {
        for (double& figure : figures_) figure = std::max(0.0, figure - empty_);
        std::ranges::sort(figures_);
        const double sum = std::accumulate(figures_.begin(), figures_.end(), 0.0);
        std::printf("%s\t%zu\t%.0f\t%.0f\t%.1f\n", name.c_str(), count_,
                    figures_[figures_.size() / 2], figures_.front(),
                    sum / static_cast<double>(figures_.size()));
    }
    std::fflush(stdout);
    count_ = 0;
    figures_.clear();
}

void Measure::figure(std::string_view work, std::string_view structure, double value) const {
    if (!timing_) return;
    std::printf("%s.%s\t1\t%.1f\t%.1f\t%.1f\n", std::string(work).c_str(),
                std::string(structure).c_str(), value, value, value);
}

} // namespace compare
