"""The factory: several dozen suppliers photograph parts, one of them poisons and one mislabels its delivery."""
